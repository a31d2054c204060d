SELECT body FROM connector
WHERE tenant = ?1 AND desk = ?2 AND connector > ?3 AND deleted = 0
ORDER BY connector LIMIT ?4
