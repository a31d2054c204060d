-- Keys that were taken for commands that were refused.
DELETE FROM dedup AS d
USING unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS r (tenant, caller, method, key)
WHERE d.tenant = r.tenant AND d.caller = r.caller AND d.method = r.method AND d.key = r.key AND d.answer IS NULL
