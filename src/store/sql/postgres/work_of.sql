SELECT t.body, t.content, t.legs, t.offers
FROM (
    SELECT ticket FROM leg WHERE tenant = $1 AND desk = $2 AND agent = $3 AND open
    UNION
    SELECT ticket FROM offer WHERE tenant = $1 AND desk = $2 AND agent = $3 AND open
) AS mine
JOIN whole_ticket AS t ON t.tenant = $1 AND t.desk = $2 AND t.ticket = mine.ticket
