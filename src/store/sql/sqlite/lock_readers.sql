-- Made if it is not there; locked either way.
INSERT INTO subscription (tenant, desk, connector, generation, acked) VALUES (?1, ?2, ?3, 0, 0)
ON CONFLICT (tenant, desk, connector) DO UPDATE SET generation = generation
RETURNING generation, acked
