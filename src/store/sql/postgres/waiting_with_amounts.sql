SELECT ticket::text, leg FROM leg WHERE tenant = $1 AND desk = $2 AND amounts ORDER BY ticket, leg
