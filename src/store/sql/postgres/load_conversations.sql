-- ?1: keys as [tenant, desk, connector, key].
SELECT c.tenant, c.desk, c.connector, c.key, c.ticket
FROM jsonb_each(?1) AS r
CROSS JOIN conversation AS c
    ON c.tenant = r.value ->> 0 AND c.desk = r.value ->> 1 AND c.connector = r.value ->> 2 AND c.key = r.value ->> 3
