-- ?1: [tenant, desk, ticket].
SELECT t.tenant, t.desk, t.body, t.content, t.legs, t.offers
FROM jsonb_each(?1) AS r
CROSS JOIN whole_ticket AS t ON t.tenant = r.value ->> 0 AND t.desk = r.value ->> 1 AND t.ticket = r.value ->> 2
