DELETE FROM dedup WHERE rowid IN (SELECT rowid FROM dedup WHERE at < ?1 ORDER BY at LIMIT ?2)
