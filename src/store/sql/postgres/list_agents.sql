SELECT body FROM agent
WHERE tenant = $1 AND desk = $2 AND agent > $3 AND ($4 OR NOT deleted)
ORDER BY agent LIMIT $5
