-- $3, $4: after this number, up to that; $5, $6: channels and kinds as lists, or null for all.
-- $8: of each bucket, and each ticket apart, what comes after this number; null: all of all.
WITH mine AS (
    SELECT * FROM event
    WHERE tenant = $1 AND desk = $2 AND seq > $3 AND seq <= $4 AND kind IS NOT NULL
      AND ($5::text IS NULL OR channel IN (SELECT jsonb_array_elements_text($5::jsonb)))
      AND ($6::text IS NULL OR kind IN (SELECT jsonb_array_elements_text($6::jsonb)))
      AND ($8::text IS NULL OR seq > coalesce(
          ($8::jsonb ->> replace(ticket::text, '-', ''))::bigint,
          ($8::jsonb ->> right(ticket::text, 1))::bigint,
          9223372036854775807))
    ORDER BY seq LIMIT $7
)
SELECT e.seq, e.at, e.actor, e.ticket::text, e.ticket_seq, e.connector, e.channel, e.instance, e.side_connector, e.body,
    (SELECT t.name FROM ticket AS t WHERE t.tenant = $1 AND t.desk = $2 AND t.ticket = e.ticket),
    (SELECT c.body FROM content AS c WHERE c.tenant = $1 AND c.desk = $2 AND c.ticket = e.ticket)
FROM mine AS e
ORDER BY e.seq
