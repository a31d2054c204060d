-- ?6: of each bucket, and each ticket apart, what comes after this number; null: all of all.
SELECT seq FROM event
WHERE tenant = ?1 AND desk = ?2 AND seq <= ?3 AND kind IS NOT NULL
  AND (?4 IS NULL OR channel IN (SELECT value FROM json_each(?4))) AND (?5 IS NULL OR kind IN (SELECT value FROM json_each(?5)))
  AND (?6 IS NULL OR seq > coalesce(
      (SELECT value FROM json_each(?6) WHERE key = ticket),
      (SELECT value FROM json_each(?6) WHERE key = substr(ticket, -1)),
      9223372036854775807))
ORDER BY seq DESC LIMIT 1
