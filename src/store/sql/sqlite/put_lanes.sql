-- ?1: rows as [tenant, desk, number, place, length]; ?2: their bodies, one after the other.
INSERT INTO lane (tenant, desk, number, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(substr(?2, r.value ->> 3, r.value ->> 4) AS TEXT)
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk, number) DO UPDATE SET
    body = excluded.body
