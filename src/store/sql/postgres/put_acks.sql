-- ?1: rows as [tenant, desk, connector, generation, acked].
INSERT INTO subscription (tenant, desk, connector, generation, acked)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk, connector) DO UPDATE SET
    acked = max(acked, excluded.acked)
