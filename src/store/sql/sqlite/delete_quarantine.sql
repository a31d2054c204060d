DELETE FROM quarantine WHERE tenant = ?1 AND desk = ?2 AND connector = ?3 AND ticket IN (SELECT value FROM json_each(?4))
