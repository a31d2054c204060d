-- ?4: rows as [bucket, acked, instance, generation, gained, head, attempts].
INSERT INTO bucket (tenant, desk, connector, bucket, acked, instance, generation, gained, head, attempts)
SELECT ?1, ?2, ?3, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6
FROM json_each(?4) AS r
WHERE true
ON CONFLICT (tenant, desk, connector, bucket) DO UPDATE SET
    acked = excluded.acked,
    instance = excluded.instance,
    generation = excluded.generation,
    gained = excluded.gained,
    head = excluded.head,
    attempts = excluded.attempts
