-- $1: [tenant, desk, connector, generation, acked], of tickets that were let out of quarantine.
WITH given AS (
    SELECT r.value ->> 0 AS tenant, r.value ->> 1 AS desk, r.value ->> 2 AS connector, (r.value ->> 3)::bigint AS generation,
        (r.value ->> 4)::bigint AS acked
    FROM jsonb_array_elements($1::jsonb) AS r (value)
), mine AS (
    SELECT g.* FROM subscription AS s
    JOIN given AS g ON g.tenant = s.tenant AND g.desk = s.desk AND g.connector = s.connector
    ORDER BY s.tenant, s.desk, s.connector FOR UPDATE OF s
)
UPDATE quarantine AS q SET acked = greatest(q.acked, mine.acked)
FROM mine
WHERE q.tenant = mine.tenant AND q.desk = mine.desk AND q.connector = mine.connector AND q.generation = mine.generation
  AND q.released = 1
