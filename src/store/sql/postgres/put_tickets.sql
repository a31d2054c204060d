-- New ones are inserted: a ticket of the same id that another replica created meanwhile is not overwritten.
WITH r AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::boolean[], $15::text[])
        AS r (tenant, desk, ticket, name, state, stage, channel, queue, connector, owner, policy_rev, create_time, next_due_at, is_new, body)
), created AS (
    INSERT INTO ticket (tenant, desk, ticket, name, state, stage, channel, queue, connector, owner, policy_rev, create_time, next_due_at, body)
    SELECT r.tenant, r.desk, r.ticket, r.name, r.state, r.stage, r.channel, r.queue, r.connector, r.owner, r.policy_rev, r.create_time, r.next_due_at, r.body
    FROM r
    WHERE r.is_new
    ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.ticket
)
UPDATE ticket AS t
SET state = r.state, stage = r.stage, queue = r.queue, owner = r.owner, policy_rev = r.policy_rev, create_time = r.create_time,
    next_due_at = r.next_due_at, body = r.body
FROM r
WHERE NOT r.is_new AND t.tenant = r.tenant AND t.desk = r.desk AND t.ticket = r.ticket
