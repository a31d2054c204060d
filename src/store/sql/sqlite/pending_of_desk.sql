-- ?3, ?4: after this number, up to that; ?5, ?6: channels and kinds as lists, or null for all; ?7: count no further.
-- ?8: of each bucket, and each ticket apart, what comes after this number; null: all of all.
SELECT count(*), min(at) FROM (
    SELECT at FROM event
    WHERE tenant = ?1 AND desk = ?2 AND seq > ?3 AND seq <= ?4 AND kind IS NOT NULL
      AND (?5 IS NULL OR channel IN (SELECT value FROM json_each(?5))) AND (?6 IS NULL OR kind IN (SELECT value FROM json_each(?6)))
      AND (?8 IS NULL OR seq > coalesce(
          (SELECT value FROM json_each(?8) WHERE key = ticket),
          (SELECT value FROM json_each(?8) WHERE key = substr(ticket, -1)),
          9223372036854775807))
    ORDER BY seq LIMIT ?7)
