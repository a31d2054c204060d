INSERT INTO subscription AS s (tenant, desk, connector, generation, acked) VALUES ($1, $2, $3, 1, 0)
ON CONFLICT (tenant, desk, connector) DO UPDATE SET generation = s.generation + 1
RETURNING generation, acked
