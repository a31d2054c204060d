-- ?1: rows as [tenant, desk, agent, number, deleted, used_live, used_deferred, next_due_at, place, length]; ?2: their bodies, one after the other.
INSERT INTO agent (tenant, desk, agent, number, deleted, used_live, used_deferred, next_due_at, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6, r.value ->> 7, CAST(substr(?2, r.value ->> 8, r.value ->> 9) AS TEXT)
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk, agent) DO UPDATE SET
    number = excluded.number,
    deleted = excluded.deleted,
    used_live = excluded.used_live,
    used_deferred = excluded.used_deferred,
    next_due_at = excluded.next_due_at,
    body = excluded.body
