INSERT INTO desk (tenant, desk, body)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::text[])
    AS r (tenant, desk, body)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C"
ON CONFLICT (tenant, desk) DO UPDATE SET
    body = excluded.body
