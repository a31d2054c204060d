-- $1: [tenant, desk, agent].
SELECT a.tenant, a.desk, a.body
FROM jsonb_array_elements($1::jsonb) AS r (value)
CROSS JOIN LATERAL (
    SELECT * FROM agent AS x
    WHERE x.tenant = r.value ->> 0 AND x.desk = r.value ->> 1 AND x.agent = r.value ->> 2 OFFSET 0
) AS a
