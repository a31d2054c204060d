SELECT at FROM event WHERE tenant = $1 AND desk = $2 AND seq = $3
