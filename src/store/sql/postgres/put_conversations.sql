-- A key that another replica took meanwhile is not counted.
INSERT INTO conversation AS c (tenant, desk, connector, key, ticket)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[])
    AS r (tenant, desk, connector, key, ticket)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.connector COLLATE "C", r.key COLLATE "C"
ON CONFLICT (tenant, desk, connector, key) DO UPDATE SET
    ticket = excluded.ticket
WHERE c.ticket = excluded.ticket
