-- The rows that nearly every batch writes, in one go; tables of which it has none are empty lists. Whatever is changed here is locked
-- already. New tickets are inserted: one of the same id that another replica created meanwhile is not overwritten. Nothing is joined with
-- what is there: a conflict is found by its key, whatever the planner thinks of the table.
WITH ticket_row AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::boolean[], $15::text[])
        AS r (tenant, desk, ticket, name, state, stage, channel, queue, connector, owner, policy_rev, create_time, next_due_at, is_new, body)
), ticket_created AS (
    INSERT INTO ticket (tenant, desk, ticket, name, state, stage, channel, queue, connector, owner, policy_rev, create_time, next_due_at, body)
    SELECT r.tenant, r.desk, r.ticket, r.name, r.state, r.stage, r.channel, r.queue, r.connector, r.owner, r.policy_rev, r.create_time, r.next_due_at, r.body
    FROM ticket_row AS r
    WHERE r.is_new
    ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.ticket
), ticket_changed AS (
    INSERT INTO ticket (tenant, desk, ticket, name, state, stage, channel, queue, connector, owner, policy_rev, create_time, next_due_at, body)
    SELECT r.tenant, r.desk, r.ticket, r.name, r.state, r.stage, r.channel, r.queue, r.connector, r.owner, r.policy_rev, r.create_time, r.next_due_at, r.body
    FROM ticket_row AS r
    WHERE NOT r.is_new
    ON CONFLICT (tenant, desk, ticket) DO UPDATE SET
        state = excluded.state,
        stage = excluded.stage,
        queue = excluded.queue,
        owner = excluded.owner,
        policy_rev = excluded.policy_rev,
        create_time = excluded.create_time,
        next_due_at = excluded.next_due_at,
        body = excluded.body
), content_put AS (
    INSERT INTO content (tenant, desk, ticket, body)
    SELECT r.*
    FROM unnest($16::text[], $17::text[], $18::uuid[], $19::text[])
        AS r (tenant, desk, ticket, body)
    ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.ticket
    ON CONFLICT (tenant, desk, ticket) DO UPDATE SET
        body = excluded.body
), leg_put AS (
    INSERT INTO leg (tenant, desk, ticket, leg, ver, state, open, agent, prefer, queue, order_key, amounts, body)
    SELECT r.*
    FROM unnest($20::text[], $21::text[], $22::uuid[], $23::bigint[], $24::bigint[], $25::text[], $26::boolean[], $27::text[], $28::text[], $29::text[], $30::text[], $31::boolean[], $32::text[])
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
), offer_put AS (
    INSERT INTO offer (tenant, desk, ticket, leg, leg_ver, nth, agent, open, body)
    SELECT r.*
    FROM unnest($33::text[], $34::text[], $35::uuid[], $36::bigint[], $37::bigint[], $38::bigint[], $39::text[], $40::boolean[], $41::text[])
        AS r (tenant, desk, ticket, leg, leg_ver, nth, agent, open, body)
    ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.ticket, r.leg, r.leg_ver, r.nth
    ON CONFLICT (tenant, desk, ticket, leg, leg_ver, nth) DO UPDATE SET
        open = excluded.open,
        body = excluded.body
), agent_put AS (
    INSERT INTO agent (tenant, desk, agent, number, deleted, used_live, used_deferred, next_due_at, body)
    SELECT r.*
    FROM unnest($42::text[], $43::text[], $44::text[], $45::bigint[], $46::boolean[], $47::bigint[], $48::bigint[], $49::bigint[], $50::text[])
        AS r (tenant, desk, agent, number, deleted, used_live, used_deferred, next_due_at, body)
    ORDER BY r.tenant COLLATE "C", r.desk COLLATE "C", r.agent COLLATE "C"
    ON CONFLICT (tenant, desk, agent) DO UPDATE SET
        number = excluded.number,
        deleted = excluded.deleted,
        used_live = excluded.used_live,
        used_deferred = excluded.used_deferred,
        next_due_at = excluded.next_due_at,
        body = excluded.body
)
INSERT INTO dedup (tenant, caller, method, key, request_hash, answer, at)
SELECT r.*
FROM unnest($51::text[], $52::text[], $53::text[], $54::text[], $55::text[], $56::text[], $57::bigint[])
    AS r (tenant, caller, method, key, request_hash, answer, at)
ON CONFLICT (tenant, caller, method, key) DO UPDATE SET
    request_hash = excluded.request_hash,
    answer = excluded.answer,
    at = excluded.at
