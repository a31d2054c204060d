-- ?1: rows as [tenant, desk, body].
INSERT INTO desk (tenant, desk, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk) DO UPDATE SET
    body = excluded.body
