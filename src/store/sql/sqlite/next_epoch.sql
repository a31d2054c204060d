-- ?3: the epoch that is to be left behind; ?4: now; ?5: until when nobody else rebuilds.
UPDATE desk_head SET epoch = epoch + 1, loader_until = ?5
WHERE tenant = ?1 AND desk = ?2 AND epoch = ?3 AND loader_until <= ?4
RETURNING epoch
