-- ?1: rows as [tenant, desk, revision, source, author, change_note, create_time].
INSERT INTO policy (tenant, desk, revision, source, author, change_note, create_time)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6
FROM jsonb_each(?1) AS r
