SELECT seq FROM event
WHERE tenant = ?1 AND desk = ?2 AND seq <= ?3 AND kind IS NOT NULL
  AND (?4 IS NULL OR channel IN (SELECT value FROM json_each(?4))) AND (?5 IS NULL OR kind IN (SELECT value FROM json_each(?5)))
ORDER BY seq DESC LIMIT 1
