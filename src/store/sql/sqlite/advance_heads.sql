-- ?1: [tenant, desk, events to append]. Taken last in the transaction: numbers are dense, and visible in order.
UPDATE desk_head
SET head = head + (r.value ->> 2)
FROM jsonb_each(?1) AS r
WHERE tenant = r.value ->> 0 AND desk = r.value ->> 1
RETURNING tenant, desk, head
