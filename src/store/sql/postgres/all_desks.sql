SELECT tenant, desk FROM desk ORDER BY tenant, desk
