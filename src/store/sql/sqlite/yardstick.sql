-- ?1: the row's number; ?2: some text.
INSERT OR REPLACE INTO content (tenant, desk, ticket, body) VALUES ('yardstick', 'yardstick', ?1, ?2)
