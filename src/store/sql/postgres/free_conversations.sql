-- Frees those whose ticket is no longer open: a ticket that closes long after it was resolved must not free a key that another
-- one has taken since.
DELETE FROM conversation AS c
USING unnest($1::text[], $2::text[], $3::text[], $4::text[])
    AS r (tenant, desk, connector, key)
WHERE c.tenant = r.tenant AND c.desk = r.desk AND c.connector = r.connector AND c.key = r.key
  AND NOT EXISTS (
        SELECT 1 FROM ticket AS t
        WHERE t.tenant = c.tenant AND t.desk = c.desk AND t.ticket = c.ticket
          AND t.state NOT IN ('RESOLVED', 'CLOSED', 'CANCELLED'))
