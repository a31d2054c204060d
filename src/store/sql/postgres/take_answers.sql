-- $1 to $4: keys; $5: how long an answer is kept. Whoever has a key already is waited for; one that has expired is taken over.
WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now)
INSERT INTO dedup AS d (tenant, caller, method, key, at)
SELECT r.tenant, r.caller, r.method, r.key, clock.now
FROM clock, unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS r (tenant, caller, method, key)
ORDER BY r.tenant COLLATE "C", r.caller COLLATE "C", r.method COLLATE "C", r.key COLLATE "C"
ON CONFLICT (tenant, caller, method, key) DO UPDATE SET
    request_hash = NULL,
    answer = NULL,
    at = excluded.at
WHERE d.at <= excluded.at - $5
