-- $1: [tenant, desk, connector, generation]; $2: until when.
UPDATE subscription AS s SET lease_until = greatest(s.lease_until, $2)
FROM jsonb_array_elements($1::jsonb) AS r (value)
WHERE s.tenant = r.value ->> 0 AND s.desk = r.value ->> 1 AND s.connector = r.value ->> 2
  AND s.generation = (r.value ->> 3)::bigint
RETURNING s.tenant, s.desk, s.connector
