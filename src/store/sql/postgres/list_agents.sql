SELECT body FROM agent
WHERE tenant = ?1 AND desk = ?2 AND agent > ?3 AND (?4 OR deleted = 0)
ORDER BY agent LIMIT ?5
