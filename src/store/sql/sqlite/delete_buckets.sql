DELETE FROM bucket WHERE tenant = ?1 AND desk = ?2 AND connector = ?3
  AND bucket IN (SELECT value FROM json_each(?4))
