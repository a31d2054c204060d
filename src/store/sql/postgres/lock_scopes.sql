-- $1: keys in order; $2: whether alone. The first is this process's own, for the order of its batches.
SELECT CASE WHEN r.alone THEN pg_advisory_xact_lock(r.key)::text ELSE pg_advisory_xact_lock_shared(r.key)::text END
FROM unnest($1::bigint[], $2::boolean[]) AS r (key, alone)
