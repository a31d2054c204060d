-- ?1: rows as [tenant, desk, seq, at, actor, ticket, ticket_seq, kind, connector, channel, side_connector, instance, place, length]; ?2: their bodies, one after the other.
INSERT INTO event (tenant, desk, seq, at, actor, ticket, ticket_seq, kind, connector, channel, side_connector, instance, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6, r.value ->> 7, r.value ->> 8, r.value ->> 9, r.value ->> 10, r.value ->> 11, CAST(substr(?2, r.value ->> 12, r.value ->> 13) AS TEXT)
FROM jsonb_each(?1) AS r
