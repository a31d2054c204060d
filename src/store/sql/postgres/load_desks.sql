-- $1: desks as [tenant, desk].
SELECT d.tenant, d.desk, d.body
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN desk AS d ON d.tenant = r.value ->> 0 AND d.desk = r.value ->> 1
