DELETE FROM dedup
WHERE (tenant, caller, method, key) IN (
    SELECT tenant, caller, method, key FROM dedup WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)
