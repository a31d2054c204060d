-- $4: rows as [instance, opening, generation, since, lease_until].
INSERT INTO instance (tenant, desk, connector, instance, opening, generation, since, lease_until)
SELECT $1, $2, $3, r.value ->> 0, (r.value ->> 1)::bigint, (r.value ->> 2)::bigint, (r.value ->> 3)::bigint, (r.value ->> 4)::bigint
FROM jsonb_array_elements($4::jsonb) AS r (value)
ORDER BY r.value ->> 0
ON CONFLICT (tenant, desk, connector, instance) DO UPDATE SET
    opening = excluded.opening,
    generation = excluded.generation,
    since = excluded.since,
    lease_until = excluded.lease_until
