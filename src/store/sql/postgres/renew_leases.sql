-- $1: [tenant, desk, connector, instance, opening, until].
WITH mine AS (
    SELECT i.tenant, i.desk, i.connector, i.instance, (r.value ->> 5)::bigint AS until FROM instance AS i
    JOIN jsonb_array_elements($1::jsonb) AS r (value)
      ON i.tenant = r.value ->> 0 AND i.desk = r.value ->> 1 AND i.connector = r.value ->> 2 AND i.instance = r.value ->> 3
      AND i.opening = (r.value ->> 4)::bigint
    ORDER BY i.tenant, i.desk, i.connector, i.instance FOR UPDATE OF i
)
UPDATE instance AS i SET lease_until = mine.until
FROM mine
WHERE i.tenant = mine.tenant AND i.desk = mine.desk AND i.connector = mine.connector AND i.instance = mine.instance
RETURNING i.tenant, i.desk, i.connector, i.instance, i.generation
