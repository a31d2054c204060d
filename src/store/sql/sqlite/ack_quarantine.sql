-- ?1: [tenant, desk, connector, generation, acked]. Tickets that were released are read with their bucket.
UPDATE quarantine SET acked = max(quarantine.acked, r.value ->> 4)
FROM json_each(?1) AS r
JOIN bucket AS b ON b.tenant = r.value ->> 0 AND b.desk = r.value ->> 1 AND b.connector = r.value ->> 2
  AND b.generation = r.value ->> 3
WHERE quarantine.tenant = b.tenant AND quarantine.desk = b.desk AND quarantine.connector = b.connector
  AND quarantine.bucket = b.bucket AND quarantine.released
