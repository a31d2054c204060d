-- Tickets on which these agents ($1: [tenant, desk, agent]) have an open leg or offer, and those that wait for them. The last condition
-- is the one of its index, word for word.
SELECT t.tenant, t.desk, t.ticket::text
FROM jsonb_array_elements($1::jsonb) AS r (value)
CROSS JOIN LATERAL (
    SELECT l.tenant, l.desk, l.ticket FROM leg AS l
    WHERE l.tenant = r.value ->> 0 AND l.desk = r.value ->> 1 AND l.agent = r.value ->> 2 AND l.open
    UNION
    SELECT o.tenant, o.desk, o.ticket FROM offer AS o
    WHERE o.tenant = r.value ->> 0 AND o.desk = r.value ->> 1 AND o.agent = r.value ->> 2 AND o.open
    UNION
    SELECT p.tenant, p.desk, p.ticket FROM leg AS p
    WHERE p.tenant = r.value ->> 0 AND p.desk = r.value ->> 1 AND p.prefer = r.value ->> 2 AND coalesce(p.order_key, '') <> ''
) AS t
GROUP BY t.tenant, t.desk, t.ticket
