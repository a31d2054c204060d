INSERT INTO event (tenant, desk, seq, at, actor, ticket, ticket_seq, kind, connector, channel, side_connector, instance, body)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::uuid[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
    AS r (tenant, desk, seq, at, actor, ticket, ticket_seq, kind, connector, channel, side_connector, instance, body)
