-- ?1: rows as [tenant, desk, connector, deleted, place, length]; ?2: their bodies, one after the other.
INSERT INTO connector (tenant, desk, connector, deleted, body)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, CAST(substr(?2, r.value ->> 4, r.value ->> 5) AS TEXT)
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk, connector) DO UPDATE SET
    deleted = excluded.deleted,
    body = excluded.body
