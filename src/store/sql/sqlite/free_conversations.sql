-- ?1: keys as [tenant, desk, connector, key]. Frees those whose ticket is no longer open: a ticket that closes long after it
-- was resolved must not free a key that another one has taken since.
DELETE FROM conversation
WHERE (tenant, desk, connector, key) IN (
        SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3 FROM jsonb_each(?1) AS r)
  AND NOT EXISTS (
        SELECT 1 FROM ticket AS t
        WHERE t.tenant = conversation.tenant AND t.desk = conversation.desk AND t.ticket = conversation.ticket
          AND t.state NOT IN ('RESOLVED', 'CLOSED', 'CANCELLED'))
