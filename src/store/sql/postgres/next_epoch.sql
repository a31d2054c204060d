UPDATE desk_head SET epoch = epoch + 1 WHERE tenant = $1 AND desk = $2 RETURNING epoch
