-- The last locks of a batch, in key order, held until it is committed: numbers are dense, and visible in their order. Events come with
-- their place in the batch; their numbers follow from the heads.
WITH r AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
        AS r (tenant, desk, growth)
), locked AS (
    SELECT h.tenant, h.desk
    FROM r
    JOIN desk_head AS h ON h.tenant = r.tenant AND h.desk = r.desk
    ORDER BY h.tenant, h.desk
    FOR NO KEY UPDATE OF h
), moved AS (
    UPDATE desk_head AS h
    SET head = h.head + r.growth
    FROM r
    JOIN locked AS l ON l.tenant = r.tenant AND l.desk = r.desk
    WHERE h.tenant = l.tenant AND h.desk = l.desk
    RETURNING h.tenant, h.desk, h.head, h.head - r.growth AS before
), appended AS (
    INSERT INTO event (tenant, desk, seq, at, actor, ticket, ticket_seq, kind, connector, channel, side_connector, instance, body)
    SELECT e.tenant, e.desk, m.before + e.nth, e.at, e.actor, e.ticket, e.ticket_seq, e.kind, e.connector, e.channel, e.side_connector, e.instance, e.body
    FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::uuid[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[])
        AS e (tenant, desk, nth, at, actor, ticket, ticket_seq, kind, connector, channel, side_connector, instance, body)
    JOIN moved AS m ON m.tenant = e.tenant AND m.desk = e.desk
)
SELECT tenant, desk, head FROM moved
