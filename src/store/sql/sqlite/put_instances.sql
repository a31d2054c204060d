-- ?4: rows as [instance, opening, generation, since, lease_until].
INSERT INTO instance (tenant, desk, connector, instance, opening, generation, since, lease_until)
SELECT ?1, ?2, ?3, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4
FROM json_each(?4) AS r
WHERE true
ON CONFLICT (tenant, desk, connector, instance) DO UPDATE SET
    opening = excluded.opening,
    generation = excluded.generation,
    since = excluded.since,
    lease_until = excluded.lease_until
