INSERT INTO agent (tenant, desk, agent, number, deleted, used_live, used_deferred, next_due_at, body)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[])
    AS r (tenant, desk, agent, number, deleted, used_live, used_deferred, next_due_at, body)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.agent COLLATE "C"
ON CONFLICT (tenant, desk, agent) DO UPDATE SET
    number = excluded.number,
    deleted = excluded.deleted,
    used_live = excluded.used_live,
    used_deferred = excluded.used_deferred,
    next_due_at = excluded.next_due_at,
    body = excluded.body
