-- ?1: rows as [tenant, desk, place, length]; ?2: their bodies, one after the other.
INSERT INTO desk (tenant, desk, body)
SELECT r.value ->> 0, r.value ->> 1, CAST(substr(?2, r.value ->> 2, r.value ->> 3) AS TEXT)
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk) DO UPDATE SET
    body = excluded.body
