-- $1: [tenant, desk, ticket].
SELECT t.tenant, t.desk, t.body, t.content, t.legs, t.offers
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
JOIN whole_ticket AS t ON t.tenant = r.value ->> 0 AND t.desk = r.value ->> 1 AND t.ticket = (r.value ->> 2)::uuid
