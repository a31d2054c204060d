-- ?1: [tenant, desk, connector, generation, acked].
UPDATE bucket SET acked = max(bucket.acked, r.value ->> 4)
FROM json_each(?1) AS r
WHERE bucket.tenant = r.value ->> 0 AND bucket.desk = r.value ->> 1 AND bucket.connector = r.value ->> 2
  AND bucket.generation = r.value ->> 3
