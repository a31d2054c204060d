INSERT INTO content (tenant, desk, ticket, body)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[])
    AS r (tenant, desk, ticket, body)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.ticket
ON CONFLICT (tenant, desk, ticket) DO UPDATE SET
    body = excluded.body
