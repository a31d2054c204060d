-- As 0004: in a table that was never analysed all indexes cost the same, and the planner took the one of lines, which led through all that
-- waits in a desk for each of its agents. A line's condition must not follow from the query's.
DROP INDEX leg_prefer;
CREATE INDEX leg_prefer ON leg (tenant, desk, prefer, ticket) WHERE coalesce(order_key, '') <> '' AND prefer IS NOT NULL;
