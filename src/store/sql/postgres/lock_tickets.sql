-- $1: [tenant, desk, ticket]. In key order; legs and offers ride under their ticket's lock. What waited sees the rows as of
-- before, so they are read by the statement that follows.
SELECT t.tenant, t.desk, t.ticket::text
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN ticket AS t ON t.tenant = r.value ->> 0 AND t.desk = r.value ->> 1 AND t.ticket = (r.value ->> 2)::uuid
ORDER BY t.tenant, t.desk, t.ticket
FOR NO KEY UPDATE OF t
