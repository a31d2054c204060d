-- $1: [tenant, desk, agent]. In key order, so that two replicas never wait for each other.
SELECT a.tenant, a.desk, a.body
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN agent AS a ON a.tenant = r.value ->> 0 AND a.desk = r.value ->> 1 AND a.agent = r.value ->> 2
ORDER BY a.tenant, a.desk, a.agent
FOR NO KEY UPDATE OF a
