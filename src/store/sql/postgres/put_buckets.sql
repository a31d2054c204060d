-- $4: rows as [bucket, acked, instance, generation, gained, head, attempts].
INSERT INTO bucket (tenant, desk, connector, bucket, acked, instance, generation, gained, head, attempts)
SELECT $1, $2, $3, r.value ->> 0, (r.value ->> 1)::bigint, r.value ->> 2, (r.value ->> 3)::bigint, (r.value ->> 4)::bigint,
    (r.value ->> 5)::bigint, (r.value ->> 6)::bigint
FROM jsonb_array_elements($4::jsonb) AS r (value)
ORDER BY r.value ->> 0
ON CONFLICT (tenant, desk, connector, bucket) DO UPDATE SET
    acked = excluded.acked,
    instance = excluded.instance,
    generation = excluded.generation,
    gained = excluded.gained,
    head = excluded.head,
    attempts = excluded.attempts
