-- ?1: [tenant, desk, connector]; ?2: gone since then or longer.
SELECT DISTINCT i.tenant, i.desk, i.connector FROM json_each(?1) AS r
CROSS JOIN instance AS i ON i.tenant = r.value ->> 0 AND i.desk = r.value ->> 1 AND i.connector = r.value ->> 2
WHERE i.lease_until <= ?2
