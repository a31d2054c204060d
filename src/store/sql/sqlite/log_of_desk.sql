-- ?3, ?4: after this number, up to that; ?5, ?6: channels and kinds as lists, or null for all.
-- ?8: of each bucket, and each ticket apart, what comes after this number; null: all of all.
SELECT e.seq, e.at, e.actor, e.ticket, e.ticket_seq, e.connector, e.channel, e.instance, e.side_connector, e.body, t.name, c.body
FROM event AS e
LEFT JOIN ticket AS t ON t.tenant = e.tenant AND t.desk = e.desk AND t.ticket = e.ticket
LEFT JOIN content AS c ON c.tenant = e.tenant AND c.desk = e.desk AND c.ticket = e.ticket
WHERE e.tenant = ?1 AND e.desk = ?2 AND e.seq > ?3 AND e.seq <= ?4 AND e.kind IS NOT NULL
  AND (?5 IS NULL OR e.channel IN (SELECT value FROM json_each(?5))) AND (?6 IS NULL OR e.kind IN (SELECT value FROM json_each(?6)))
  AND (?8 IS NULL OR e.seq > coalesce(
      (SELECT value FROM json_each(?8) WHERE key = e.ticket),
      (SELECT value FROM json_each(?8) WHERE key = substr(e.ticket, -1)),
      9223372036854775807))
ORDER BY e.seq LIMIT ?7
