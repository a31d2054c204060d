SELECT instance, opening, generation, since, lease_until FROM instance WHERE tenant = $1 AND desk = $2 AND connector = $3
