SELECT ticket, leg FROM leg WHERE tenant = ?1 AND desk = ?2 AND amounts = 1 ORDER BY ticket, leg
