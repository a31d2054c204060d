-- As 0004: in a table that was never analysed all indexes cost the same, and the planner took the one of lines, which led through all that
-- waits in a desk for each of its agents. A line's condition must not follow from the query's.
DROP INDEX leg_prefer;
CREATE INDEX leg_prefer ON leg (tenant, desk, prefer, ticket) WHERE coalesce(order_key, '') <> '' AND prefer IS NOT NULL;

-- Analyses tables that have more than doubled since they were analysed last, and answers how many. Plans are kept: one that was made when
-- a table was next to empty would otherwise serve until autovacuum comes by, a minute and many thousand rows later. It runs with the
-- migrator's rights, for only a table's owner may do so.
CREATE FUNCTION analyse_grown() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    grown regclass;
    analysed bigint := 0;
BEGIN
    -- Of several replicas one does it.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('handoff analyse', 0)) THEN
        RETURN 0;
    END IF;
    FOR grown IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relkind = 'r' AND (
            c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'event'::regclass)
            OR c.oid = ANY (ARRAY['ticket', 'content', 'leg', 'offer', 'conversation', 'agent', 'dedup', 'bucket', 'quarantine']::regclass[]))
          AND pg_relation_size(c.oid) > 2 * c.relpages::bigint * current_setting('block_size')::bigint
    LOOP
        EXECUTE format('ANALYZE %s', grown);
        analysed := analysed + 1;
    END LOOP;
    RETURN analysed;
END
$$;
