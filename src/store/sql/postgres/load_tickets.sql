-- $1: [tenant, desk, ticket]. One look-up for each, whatever the planner thinks of the table (`docs/postgres.md`): so in all statements
-- that are given a list of keys.
SELECT t.tenant, t.desk, t.body, t.content, t.legs, t.offers
FROM jsonb_array_elements($1::jsonb) AS r (value)
CROSS JOIN LATERAL (
    SELECT * FROM whole_ticket AS w
    WHERE w.tenant = r.value ->> 0 AND w.desk = r.value ->> 1 AND w.ticket = (r.value ->> 2)::uuid OFFSET 0
) AS t
