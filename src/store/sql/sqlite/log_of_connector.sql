-- ?3, ?4: after this number, up to that; ?5, ?6: channels and kinds as lists, or null for all; ?8: of tickets that this connector
-- created, or of agents whom it reaches.
-- ?9: of each bucket, and each ticket apart, what comes after this number; null: all of all.
WITH created AS (
    SELECT seq FROM event
    WHERE tenant = ?1 AND desk = ?2 AND connector = ?8 AND seq > ?3 AND seq <= ?4
      AND (?5 IS NULL OR channel IN (SELECT value FROM json_each(?5))) AND (?6 IS NULL OR kind IN (SELECT value FROM json_each(?6)))
      AND (?9 IS NULL OR seq > coalesce(
          (SELECT value FROM json_each(?9) WHERE key = ticket),
          (SELECT value FROM json_each(?9) WHERE key = CASE WHEN instance IS NULL THEN substr(ticket, -1) ELSE '=' || instance END),
          (SELECT value FROM json_each(?9) WHERE key = '*' AND instance IS NOT NULL),
          9223372036854775807))
    ORDER BY seq LIMIT ?7
), reached AS (
    SELECT seq FROM event
    WHERE tenant = ?1 AND desk = ?2 AND side_connector = ?8 AND seq > ?3 AND seq <= ?4
      AND (?5 IS NULL OR channel IN (SELECT value FROM json_each(?5))) AND (?6 IS NULL OR kind IN (SELECT value FROM json_each(?6)))
      AND (?9 IS NULL OR seq > coalesce(
          (SELECT value FROM json_each(?9) WHERE key = ticket),
          (SELECT value FROM json_each(?9) WHERE key = substr(ticket, -1)),
          9223372036854775807))
    ORDER BY seq LIMIT ?7
), mine AS (
    SELECT seq FROM created UNION SELECT seq FROM reached ORDER BY seq LIMIT ?7
)
SELECT e.seq, e.at, e.actor, e.ticket, e.ticket_seq, e.connector, e.channel, e.instance, e.side_connector, e.body, t.name, c.body
FROM mine
CROSS JOIN event AS e ON e.tenant = ?1 AND e.desk = ?2 AND e.seq = mine.seq
LEFT JOIN ticket AS t ON t.tenant = e.tenant AND t.desk = e.desk AND t.ticket = e.ticket
LEFT JOIN content AS c ON c.tenant = e.tenant AND c.desk = e.desk AND c.ticket = e.ticket
ORDER BY mine.seq
