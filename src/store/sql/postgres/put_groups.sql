INSERT INTO grp (tenant, desk, number, body)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
    AS r (tenant, desk, number, body)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.number
ON CONFLICT (tenant, desk, number) DO UPDATE SET
    body = excluded.body
