-- ?1: [tenant, desk, connector, generation, acked], of tickets that were let out of quarantine.
UPDATE quarantine SET acked = max(quarantine.acked, r.value ->> 4)
FROM json_each(?1) AS r
WHERE quarantine.tenant = r.value ->> 0 AND quarantine.desk = r.value ->> 1 AND quarantine.connector = r.value ->> 2
  AND quarantine.generation = r.value ->> 3 AND quarantine.released = 1
