-- $1: desks as [tenant, desk, current revision]. The revisions that a ticket is pinned to which is not over, and the current one.
SELECT p.tenant, p.desk, p.revision, p.source
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN policy AS p ON p.tenant = r.value ->> 0 AND p.desk = r.value ->> 1
WHERE p.revision = (r.value ->> 2)::bigint
   OR EXISTS (
        SELECT 1 FROM ticket AS t
        WHERE t.tenant = p.tenant AND t.desk = p.desk AND t.policy_rev = p.revision AND t.stage > 0)
