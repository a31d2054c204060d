SELECT tenant, desk, connector, max(lease_until) FROM instance INDEXED BY instance_lease WHERE lease_until > ?1
GROUP BY tenant, desk, connector ORDER BY tenant, desk, connector
