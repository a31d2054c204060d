SELECT desk FROM desk WHERE tenant = $1 AND desk > $2 ORDER BY desk LIMIT $3
