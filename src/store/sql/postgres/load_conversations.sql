-- $1: keys as [tenant, desk, connector, key]. Locked, in key order: they may be given back.
SELECT c.tenant, c.desk, c.connector, c.key, c.ticket::text
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN conversation AS c
    ON c.tenant = r.value ->> 0 AND c.desk = r.value ->> 1 AND c.connector = r.value ->> 2 AND c.key = r.value ->> 3
ORDER BY c.tenant, c.desk, c.connector, c.key
FOR NO KEY UPDATE OF c
