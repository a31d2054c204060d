-- $3, $4: the last row of the page before; $5 to $9: state, channel, queue, connector, owner, or null for any.
SELECT body, content, legs, offers FROM whole_ticket
WHERE tenant = $1 AND desk = $2 AND (create_time, ticket) > ($3, $4)
  AND owner = $9 AND ($5::text IS NULL OR state = $5)
  AND ($6::text IS NULL OR channel = $6) AND ($7::text IS NULL OR queue = $7) AND ($8::text IS NULL OR connector = $8)
ORDER BY create_time ASC, ticket ASC LIMIT $10
