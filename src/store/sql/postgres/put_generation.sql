UPDATE subscription SET generation = $4 WHERE tenant = $1 AND desk = $2 AND connector = $3
