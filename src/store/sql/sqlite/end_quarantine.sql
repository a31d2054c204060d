-- ?1: [tenant, desk, connector, generation, acked]. Those that have caught up with their bucket are read with it again.
DELETE FROM quarantine
WHERE released AND (tenant, desk, connector) IN (
    SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2 FROM json_each(?1) AS r)
  AND acked >= (
    SELECT b.acked FROM bucket AS b
    WHERE b.tenant = quarantine.tenant AND b.desk = quarantine.desk AND b.connector = quarantine.connector
      AND b.bucket = quarantine.bucket)
