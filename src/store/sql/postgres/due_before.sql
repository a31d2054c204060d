(SELECT false AS is_agent, tenant, desk, ticket::text AS name, next_due_at AS due
 FROM ticket WHERE next_due_at <= $1 ORDER BY next_due_at LIMIT $2)
UNION ALL
(SELECT true, tenant, desk, agent, next_due_at
 FROM agent WHERE next_due_at <= $1 ORDER BY next_due_at LIMIT $2)
ORDER BY due LIMIT $2
