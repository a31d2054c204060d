-- At most one ticket per connector.
SELECT t.body, t.content, t.legs, t.offers
FROM conversation AS c
CROSS JOIN LATERAL (
    SELECT * FROM whole_ticket AS w WHERE w.tenant = $1 AND w.desk = $2 AND w.ticket = c.ticket OFFSET 0
) AS t
WHERE c.tenant = $1 AND c.desk = $2 AND c.key = $3
