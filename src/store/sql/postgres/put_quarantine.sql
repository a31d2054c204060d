-- $4: rows as [ticket, bucket, generation, acked, released, reason, since].
INSERT INTO quarantine (tenant, desk, connector, ticket, bucket, generation, acked, released, reason, since)
SELECT $1, $2, $3, (r.value ->> 0)::uuid, r.value ->> 1, (r.value ->> 2)::bigint, (r.value ->> 3)::bigint, (r.value ->> 4)::bigint,
    r.value ->> 5, (r.value ->> 6)::bigint
FROM jsonb_array_elements($4::jsonb) AS r (value)
ORDER BY r.value ->> 0
ON CONFLICT (tenant, desk, connector, ticket) DO UPDATE SET
    bucket = excluded.bucket,
    generation = excluded.generation,
    acked = excluded.acked,
    released = excluded.released,
    reason = excluded.reason,
    since = excluded.since
