INSERT INTO leg (tenant, desk, ticket, leg, ver, state, open, agent, prefer, queue, order_key, amounts, body)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::boolean[], $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[], $13::text[])
    AS r (tenant, desk, ticket, leg, ver, state, open, agent, prefer, queue, order_key, amounts, body)
ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.ticket, r.leg
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
