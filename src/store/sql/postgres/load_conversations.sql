-- $1: keys as [tenant, desk, connector, key]. Locked one after the other, in key order: they may be given back.
SELECT c.tenant, c.desk, c.connector, c.key, c.ticket::text
FROM (
    SELECT value ->> 0 AS tenant, value ->> 1 AS desk, value ->> 2 AS connector, value ->> 3 AS key
    FROM jsonb_array_elements($1::jsonb)
    ORDER BY (value ->> 0) COLLATE "C", (value ->> 1) COLLATE "C", (value ->> 2) COLLATE "C", (value ->> 3) COLLATE "C"
) AS r
CROSS JOIN LATERAL (
    SELECT * FROM conversation AS x
    WHERE x.tenant = r.tenant AND x.desk = r.desk AND x.connector = r.connector AND x.key = r.key
    FOR NO KEY UPDATE
) AS c
