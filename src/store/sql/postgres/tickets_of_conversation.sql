-- At most one ticket per connector.
SELECT t.body, t.content, t.legs, t.offers
FROM conversation AS c
JOIN whole_ticket AS t ON t.tenant = c.tenant AND t.desk = c.desk AND t.ticket = c.ticket
WHERE c.tenant = $1 AND c.desk = $2 AND c.key = $3
