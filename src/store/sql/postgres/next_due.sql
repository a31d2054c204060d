SELECT min(due) FROM (
    SELECT (SELECT min(next_due_at) FROM ticket WHERE next_due_at IS NOT NULL) AS due
    UNION ALL
    SELECT (SELECT min(next_due_at) FROM agent WHERE next_due_at IS NOT NULL)
) AS both_of_them
