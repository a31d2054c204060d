SELECT t.body, t.content, t.legs, t.offers
FROM (
    SELECT ticket FROM leg WHERE tenant = $1 AND desk = $2 AND agent = $3 AND open
    UNION
    SELECT ticket FROM offer WHERE tenant = $1 AND desk = $2 AND agent = $3 AND open
) AS mine
CROSS JOIN LATERAL (
    SELECT * FROM whole_ticket AS w WHERE w.tenant = $1 AND w.desk = $2 AND w.ticket = mine.ticket OFFSET 0
) AS t
