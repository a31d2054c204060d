DELETE FROM instance WHERE tenant = ?1 AND desk = ?2 AND connector = ?3
  AND instance IN (SELECT value FROM json_each(?4))
