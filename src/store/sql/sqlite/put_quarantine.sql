-- ?4: rows as [ticket, bucket, generation, acked, released, reason, since].
INSERT INTO quarantine (tenant, desk, connector, ticket, bucket, generation, acked, released, reason, since)
SELECT ?1, ?2, ?3, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6
FROM json_each(?4) AS r
WHERE true
ON CONFLICT (tenant, desk, connector, ticket) DO UPDATE SET
    bucket = excluded.bucket,
    generation = excluded.generation,
    acked = excluded.acked,
    released = excluded.released,
    reason = excluded.reason,
    since = excluded.since
