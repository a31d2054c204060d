SELECT e.seq, e.at, e.actor, e.ticket::text, e.ticket_seq, e.connector, e.channel, e.instance, e.side_connector, e.body FROM event AS e
WHERE e.tenant = $1 AND e.desk = $2 AND e.ticket = $3 AND e.seq > $4
ORDER BY e.seq LIMIT $5
