-- $1: [tenant, desk, agent]. One after the other in key order, so that two replicas never wait for each other.
SELECT a.tenant, a.desk, a.body
FROM (
    SELECT value ->> 0 AS tenant, value ->> 1 AS desk, value ->> 2 AS agent FROM jsonb_array_elements($1::jsonb)
    ORDER BY (value ->> 0) COLLATE "C", (value ->> 1) COLLATE "C", (value ->> 2) COLLATE "C"
) AS r
CROSS JOIN LATERAL (
    SELECT * FROM agent AS x
    WHERE x.tenant = r.tenant AND x.desk = r.desk AND x.agent = r.agent
    FOR NO KEY UPDATE
) AS a
