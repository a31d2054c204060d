-- As 0004: in a table that was never analysed all indexes cost the same, and of those that the condition of `leg_prefer` allows, the planner
-- took the one of lines, which led through all that waits in a desk for each of its agents. This one's condition follows from no other.
-- `leg_prefer` stays for the version before this one.
CREATE INDEX leg_preferred ON leg (tenant, desk, prefer, ticket) WHERE coalesce(order_key, '') <> '' AND prefer IS NOT NULL;

-- Analyses a table that has more than doubled since that was done last, and answers whether there was one. Plans are kept: one that was
-- made when a table was next to empty would otherwise serve until autovacuum comes by, a minute and many thousand rows later. It runs with
-- the migrator's rights, for only a table's owner may do so; and on one table, so that what is done stays done.
CREATE FUNCTION analyse_grown() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    grown regclass;
BEGIN
    -- Of several replicas one does it.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('handoff analyse', 0)) THEN
        RETURN false;
    END IF;
    SELECT c.oid INTO grown FROM pg_class AS c
    WHERE c.relkind = 'r' AND (
        c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'event'::regclass)
        OR c.oid = ANY (ARRAY['ticket', 'content', 'leg', 'offer', 'conversation', 'agent', 'dedup', 'bucket', 'quarantine']::regclass[]))
      AND pg_relation_size(c.oid) > 2 * c.relpages::bigint * current_setting('block_size')::bigint
    LIMIT 1;
    IF grown IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('ANALYZE %s', grown);
    RETURN true;
END
$$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION analyse_grown() SET search_path = %I, pg_temp', current_schema());
END
$$;

REVOKE EXECUTE ON FUNCTION analyse_grown() FROM PUBLIC;
