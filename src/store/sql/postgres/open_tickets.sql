SELECT body, content, legs, offers FROM whole_ticket
WHERE tenant = $1 AND desk = $2 AND ticket > $3 AND stage = 2
ORDER BY ticket LIMIT $4
