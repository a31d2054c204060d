-- ?1: desks as [tenant, desk].
SELECT h.tenant, h.desk, h.head
FROM jsonb_each(?1) AS r
CROSS JOIN desk_head AS h ON h.tenant = r.value ->> 0 AND h.desk = r.value ->> 1
