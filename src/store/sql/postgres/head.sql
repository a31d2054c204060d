SELECT head, epoch FROM desk_head WHERE tenant = $1 AND desk = $2
