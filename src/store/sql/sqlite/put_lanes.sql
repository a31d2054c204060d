-- ?1: rows as [tenant, desk, number, body].
INSERT INTO lane (tenant, desk, number, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk, number) DO UPDATE SET
    body = excluded.body
