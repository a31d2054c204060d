INSERT INTO connector (tenant, desk, connector, deleted, body)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[])
    AS r (tenant, desk, connector, deleted, body)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.connector COLLATE "C"
ON CONFLICT (tenant, desk, connector) DO UPDATE SET
    deleted = excluded.deleted,
    body = excluded.body
