-- ?1: rows as [tenant, desk, epoch, head].
INSERT INTO desk_head (tenant, desk, epoch, head)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3
FROM jsonb_each(?1) AS r
WHERE true
ON CONFLICT (tenant, desk) DO NOTHING
