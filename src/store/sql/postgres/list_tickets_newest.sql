-- $3, $4: the last row of the page before; $5 to $9: state, channel, queue, connector, owner, or null for any.
SELECT body, content, legs, offers FROM whole_ticket
WHERE tenant = $1 AND desk = $2 AND (create_time, ticket) < ($3, $4)
  AND $5::text IS NULL AND $9::text IS NULL
  AND ($6::text IS NULL OR channel = $6) AND ($7::text IS NULL OR queue = $7) AND ($8::text IS NULL OR connector = $8)
ORDER BY create_time DESC, ticket DESC LIMIT $10
