-- $1: desks as [tenant, desk]. The last to be read, under all locks but the heads' own: so is the time.
SELECT h.tenant, h.desk, h.head, d.scope_ver, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
LEFT JOIN desk_head AS h ON h.tenant = r.value ->> 0 AND h.desk = r.value ->> 1
LEFT JOIN desk AS d ON d.tenant = h.tenant AND d.desk = h.desk
