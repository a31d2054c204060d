-- ?1: desks as [tenant, desk].
SELECT d.tenant, d.desk, d.body
FROM jsonb_each(?1) AS r
CROSS JOIN desk AS d ON d.tenant = r.value ->> 0 AND d.desk = r.value ->> 1
