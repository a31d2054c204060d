SELECT generation, acked FROM subscription WHERE tenant = $1 AND desk = $2 AND connector = $3
