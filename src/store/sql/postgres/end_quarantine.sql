-- $1: [tenant, desk, connector, generation, acked]. Those that have caught up with their bucket are read with it again.
WITH given AS (
    SELECT r.value ->> 0 AS tenant, r.value ->> 1 AS desk, r.value ->> 2 AS connector, (r.value ->> 3)::bigint AS generation,
        (r.value ->> 4)::bigint AS acked
    FROM jsonb_array_elements($1::jsonb) AS r (value)
), mine AS (
    SELECT g.* FROM subscription AS s
    JOIN given AS g ON g.tenant = s.tenant AND g.desk = s.desk AND g.connector = s.connector
    ORDER BY s.tenant, s.desk, s.connector FOR UPDATE OF s
)
DELETE FROM quarantine AS q
USING mine
JOIN bucket AS b ON b.tenant = mine.tenant AND b.desk = mine.desk AND b.connector = mine.connector
WHERE q.tenant = b.tenant AND q.desk = b.desk AND q.connector = b.connector AND q.bucket = b.bucket AND q.released
  AND q.acked >= b.acked
