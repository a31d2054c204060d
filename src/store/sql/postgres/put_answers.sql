UPDATE dedup AS d
SET request_hash = r.request_hash, answer = r.answer, at = r.at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
    AS r (tenant, caller, method, key, request_hash, answer, at)
WHERE d.tenant = r.tenant AND d.caller = r.caller AND d.method = r.method AND d.key = r.key
