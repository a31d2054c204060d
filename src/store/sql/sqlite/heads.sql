SELECT tenant, desk, head, epoch FROM desk_head ORDER BY tenant, desk
