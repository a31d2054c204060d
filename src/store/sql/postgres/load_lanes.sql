-- ?1: desks as [tenant, desk].
SELECT x.tenant, x.desk, x.number, x.body
FROM jsonb_each(?1) AS r
CROSS JOIN lane AS x ON x.tenant = r.value ->> 0 AND x.desk = r.value ->> 1
