INSERT INTO desk_head (tenant, desk, epoch, head)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
    AS r (tenant, desk, epoch, head)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C"
ON CONFLICT (tenant, desk) DO NOTHING
