-- The oldest number that is still there, and the head.
SELECT (SELECT min(e.seq) FROM event AS e WHERE e.tenant = h.tenant AND e.desk = h.desk), h.head
FROM desk_head AS h WHERE h.tenant = $1 AND h.desk = $2
