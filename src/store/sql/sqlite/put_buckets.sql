-- ?4: rows as [bucket, acked, instance, generation, gained].
INSERT INTO bucket (tenant, desk, connector, bucket, acked, instance, generation, gained)
SELECT ?1, ?2, ?3, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4
FROM json_each(?4) AS r
WHERE true
ON CONFLICT (tenant, desk, connector, bucket) DO UPDATE SET
    acked = excluded.acked,
    instance = excluded.instance,
    generation = excluded.generation,
    gained = excluded.gained
