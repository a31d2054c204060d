-- ?1: logs that grow, as [tenant, desk, head before, head after]. A log that is not where it was loaded is not found.
UPDATE desk_head
SET head = r.value ->> 3
FROM jsonb_each(?1) AS r
WHERE tenant = r.value ->> 0 AND desk = r.value ->> 1 AND head = r.value ->> 2
RETURNING head
