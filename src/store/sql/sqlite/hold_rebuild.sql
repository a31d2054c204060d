-- ?4: until when nobody else rebuilds; 0: it is done.
UPDATE desk_head SET loader_until = ?4 WHERE tenant = ?1 AND desk = ?2 AND epoch = ?3
