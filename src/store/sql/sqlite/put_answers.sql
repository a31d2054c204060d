-- ?1: rows as [tenant, caller, method, key, request_hash, answer, at].
INSERT INTO dedup (tenant, caller, method, key, request_hash, answer, at)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, caller, method, key) DO UPDATE SET
    request_hash = excluded.request_hash,
    answer = excluded.answer,
    at = excluded.at
