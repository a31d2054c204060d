SELECT tenant, desk, connector, lease_until FROM subscription WHERE lease_until > $1 ORDER BY tenant, desk, connector
