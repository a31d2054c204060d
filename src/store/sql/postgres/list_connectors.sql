SELECT body FROM connector
WHERE tenant = $1 AND desk = $2 AND connector > $3 AND NOT deleted
ORDER BY connector LIMIT $4
