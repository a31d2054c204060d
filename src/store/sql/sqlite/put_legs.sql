-- ?1: rows as [tenant, desk, ticket, leg, ver, state, open, agent, prefer, queue, order_key, amounts, place, length]; ?2: their bodies, one after the other.
INSERT INTO leg (tenant, desk, ticket, leg, ver, state, open, agent, prefer, queue, order_key, amounts, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6, r.value ->> 7, r.value ->> 8, r.value ->> 9, r.value ->> 10, r.value ->> 11, CAST(substr(?2, r.value ->> 12, r.value ->> 13) AS TEXT)
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk, ticket, leg) DO UPDATE SET
    ver = excluded.ver,
    state = excluded.state,
    open = excluded.open,
    agent = excluded.agent,
    prefer = excluded.prefer,
    queue = excluded.queue,
    order_key = excluded.order_key,
    amounts = excluded.amounts,
    body = excluded.body
