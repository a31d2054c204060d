-- ?1: [tenant, desk, number].
DELETE FROM lane
WHERE (tenant, desk, number) IN (SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2 FROM jsonb_each(?1) AS r)
