SELECT e.seq, e.at, e.actor, e.ticket, e.ticket_seq, e.connector, e.channel, e.instance, e.side_connector, e.body FROM event AS e
WHERE e.tenant = ?1 AND e.desk = ?2 AND e.seq > ?3
ORDER BY e.seq LIMIT ?4
