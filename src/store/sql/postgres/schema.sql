-- The oldest binary that may run, and the migrations that are there.
SELECT m.min_binary, (SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success) FROM meta AS m
