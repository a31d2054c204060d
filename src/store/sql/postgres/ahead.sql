-- $4: an order key; its first digit is the band, and only legs of the same band count.
SELECT count(*) FROM leg
WHERE tenant = $1 AND desk = $2 AND queue = $3 AND order_key >= substr($4, 1, 1) AND order_key < $4
