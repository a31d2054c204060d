-- $1: desks as [tenant, desk].
SELECT x.tenant, x.desk, x.number, x.body
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN grp AS x ON x.tenant = r.value ->> 0 AND x.desk = r.value ->> 1
