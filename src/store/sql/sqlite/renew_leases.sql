-- ?1: [tenant, desk, connector, generation]; ?2: until when.
UPDATE subscription SET lease_until = max(lease_until, ?2)
FROM json_each(?1) AS r
WHERE tenant = r.value ->> 0 AND desk = r.value ->> 1 AND connector = r.value ->> 2 AND generation = r.value ->> 3
RETURNING tenant, desk, connector
