-- ?1: [tenant, desk, connector, instance, opening, until].
UPDATE instance SET lease_until = r.value ->> 5
FROM json_each(?1) AS r
WHERE instance.tenant = r.value ->> 0 AND instance.desk = r.value ->> 1 AND instance.connector = r.value ->> 2
  AND instance.instance = r.value ->> 3 AND instance.opening = r.value ->> 4
RETURNING tenant, desk, connector, instance, generation
