-- ?7: of each bucket, and each ticket apart, what comes after this number; null: all of all.
SELECT max(
    coalesce((
        SELECT seq FROM event
        WHERE tenant = ?1 AND desk = ?2 AND connector = ?6 AND seq <= ?3
          AND (?4 IS NULL OR channel IN (SELECT value FROM json_each(?4))) AND (?5 IS NULL OR kind IN (SELECT value FROM json_each(?5)))
          AND (?7 IS NULL OR seq > coalesce(
              (SELECT value FROM json_each(?7) WHERE key = ticket),
              (SELECT value FROM json_each(?7) WHERE key = CASE WHEN instance IS NULL THEN substr(ticket, -1) ELSE '=' || instance END),
              (SELECT value FROM json_each(?7) WHERE key = '*' AND instance IS NOT NULL),
              9223372036854775807))
        ORDER BY seq DESC LIMIT 1), 0),
    coalesce((
        SELECT seq FROM event
        WHERE tenant = ?1 AND desk = ?2 AND side_connector = ?6 AND seq <= ?3
          AND (?4 IS NULL OR channel IN (SELECT value FROM json_each(?4))) AND (?5 IS NULL OR kind IN (SELECT value FROM json_each(?5)))
          AND (?7 IS NULL OR seq > coalesce(
              (SELECT value FROM json_each(?7) WHERE key = ticket),
              (SELECT value FROM json_each(?7) WHERE key = substr(ticket, -1)),
              9223372036854775807))
        ORDER BY seq DESC LIMIT 1), 0))
