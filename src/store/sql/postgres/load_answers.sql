-- $1: keys as [tenant, caller, method, key]; $2: answers at or before this time have expired.
SELECT r.nth - 1, d.request_hash, d.answer
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
CROSS JOIN LATERAL (
    SELECT * FROM dedup AS x
    WHERE x.tenant = r.value ->> 0 AND x.caller = r.value ->> 1 AND x.method = r.value ->> 2 AND x.key = r.value ->> 3 OFFSET 0
) AS d
WHERE d.at > $2 AND d.answer IS NOT NULL
