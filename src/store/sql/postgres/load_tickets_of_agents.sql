-- Tickets on which these agents ($1: [tenant, desk, agent]) have an open leg or offer, and those that wait for them.
SELECT l.tenant, l.desk, l.ticket::text
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN leg AS l ON l.tenant = r.value ->> 0 AND l.desk = r.value ->> 1 AND l.agent = r.value ->> 2
WHERE l.open
UNION
SELECT o.tenant, o.desk, o.ticket::text
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN offer AS o ON o.tenant = r.value ->> 0 AND o.desk = r.value ->> 1 AND o.agent = r.value ->> 2
WHERE o.open
UNION
SELECT p.tenant, p.desk, p.ticket::text
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN leg AS p ON p.tenant = r.value ->> 0 AND p.desk = r.value ->> 1 AND p.prefer = r.value ->> 2
WHERE p.order_key IS NOT NULL
