-- ?1: rows as [tenant, desk, ticket, leg, leg_ver, nth, agent, open, place, length]; ?2: their bodies, one after the other.
INSERT INTO offer (tenant, desk, ticket, leg, leg_ver, nth, agent, open, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6, r.value ->> 7, CAST(substr(?2, r.value ->> 8, r.value ->> 9) AS TEXT)
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk, ticket, leg, leg_ver, nth) DO UPDATE SET
    open = excluded.open,
    body = excluded.body
