SELECT tenant, desk, connector, max(lease_until) FROM instance WHERE lease_until > ?1
GROUP BY tenant, desk, connector ORDER BY tenant, desk, connector
