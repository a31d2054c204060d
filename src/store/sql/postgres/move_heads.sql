-- The last locks of a batch, in key order, held until it is committed: numbers are dense, and visible in their order.
WITH r AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
        AS r (tenant, desk, growth)
), locked AS (
    SELECT h.tenant, h.desk
    FROM r
    JOIN desk_head AS h ON h.tenant = r.tenant AND h.desk = r.desk
    ORDER BY h.tenant, h.desk
    FOR NO KEY UPDATE OF h
)
UPDATE desk_head AS h
SET head = h.head + r.growth
FROM r
JOIN locked AS l ON l.tenant = r.tenant AND l.desk = r.desk
WHERE h.tenant = l.tenant AND h.desk = l.desk
RETURNING h.tenant, h.desk, h.head
