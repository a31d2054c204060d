INSERT INTO offer (tenant, desk, ticket, leg, leg_ver, nth, agent, open, body)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::boolean[], $9::text[])
    AS r (tenant, desk, ticket, leg, leg_ver, nth, agent, open, body)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.ticket, r.leg, r.leg_ver, r.nth
ON CONFLICT (tenant, desk, ticket, leg, leg_ver, nth) DO UPDATE SET
    open = excluded.open,
    body = excluded.body
