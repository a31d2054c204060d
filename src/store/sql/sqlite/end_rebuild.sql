UPDATE desk_head SET loader_until = 0 WHERE tenant = ?1 AND desk = ?2 AND epoch = ?3
