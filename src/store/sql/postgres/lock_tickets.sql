-- $1: [tenant, desk, ticket]. One after the other in key order, so that two replicas never wait for each other; legs and offers ride
-- under their ticket's lock. What waited sees the rows as of before, so they are read by the statement that follows.
SELECT t.tenant, t.desk, t.ticket::text
FROM (
    SELECT value ->> 0 AS tenant, value ->> 1 AS desk, (value ->> 2)::uuid AS ticket FROM jsonb_array_elements($1::jsonb)
    ORDER BY (value ->> 0) COLLATE "C", (value ->> 1) COLLATE "C", (value ->> 2)::uuid
) AS r
CROSS JOIN LATERAL (
    SELECT * FROM ticket AS x
    WHERE x.tenant = r.tenant AND x.desk = r.desk AND x.ticket = r.ticket
    FOR NO KEY UPDATE
) AS t
