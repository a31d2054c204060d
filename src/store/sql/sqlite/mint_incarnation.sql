INSERT INTO meta (one, incarnation) VALUES (1, ?1) ON CONFLICT (one) DO NOTHING
