-- ?1: rows as [tenant, desk, ticket, name, state, stage, channel, queue, connector, owner, policy_rev, create_time, next_due_at, new, place, length]; ?2: their bodies, one after the other.
INSERT INTO ticket (tenant, desk, ticket, name, state, stage, channel, queue, connector, owner, policy_rev, create_time, next_due_at, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6, r.value ->> 7, r.value ->> 8, r.value ->> 9, r.value ->> 10, r.value ->> 11, r.value ->> 12, CAST(substr(?2, r.value ->> 14, r.value ->> 15) AS TEXT)
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk, ticket) DO UPDATE SET
    state = excluded.state,
    stage = excluded.stage,
    queue = excluded.queue,
    owner = excluded.owner,
    policy_rev = excluded.policy_rev,
    create_time = excluded.create_time,
    next_due_at = excluded.next_due_at,
    body = excluded.body
