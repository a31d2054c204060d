-- $1: keys as [tenant, caller, method, key]; $2: answers at or before this time have expired.
SELECT r.nth - 1, d.request_hash, d.answer
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN dedup AS d
    ON d.tenant = r.value ->> 0 AND d.caller = r.value ->> 1 AND d.method = r.value ->> 2 AND d.key = r.value ->> 3
WHERE d.at > $2 AND d.answer IS NOT NULL
