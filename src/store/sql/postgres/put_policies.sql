INSERT INTO policy (tenant, desk, revision, source, author, change_note, create_time)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[])
    AS r (tenant, desk, revision, source, author, change_note, create_time)
