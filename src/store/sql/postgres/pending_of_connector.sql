-- $3, $4: after this number, up to that; $5, $6: channels and kinds as lists, or null for all; $7: count no further; $8: of tickets
-- that this connector created, or of agents whom it reaches.
-- $9: of each bucket, and each ticket apart, what comes after this number; null: all of all.
WITH created AS (
    SELECT seq, at FROM event
    WHERE tenant = $1 AND desk = $2 AND connector = $8 AND seq > $3 AND seq <= $4
      AND ($5::text IS NULL OR channel IN (SELECT jsonb_array_elements_text($5::jsonb)))
      AND ($6::text IS NULL OR kind IN (SELECT jsonb_array_elements_text($6::jsonb)))
      AND ($9::text IS NULL OR seq > coalesce(
          ($9::jsonb ->> replace(ticket::text, '-', ''))::bigint,
          ($9::jsonb ->> CASE WHEN instance IS NULL THEN right(ticket::text, 1) ELSE '=' || instance END)::bigint,
          CASE WHEN instance IS NOT NULL THEN ($9::jsonb ->> '*')::bigint END,
          9223372036854775807))
    ORDER BY seq LIMIT $7
), reached AS (
    SELECT seq, at FROM event
    WHERE tenant = $1 AND desk = $2 AND side_connector = $8 AND seq > $3 AND seq <= $4
      AND ($5::text IS NULL OR channel IN (SELECT jsonb_array_elements_text($5::jsonb)))
      AND ($6::text IS NULL OR kind IN (SELECT jsonb_array_elements_text($6::jsonb)))
      AND ($9::text IS NULL OR seq > coalesce(
          ($9::jsonb ->> replace(ticket::text, '-', ''))::bigint,
          ($9::jsonb ->> right(ticket::text, 1))::bigint,
          9223372036854775807))
    ORDER BY seq LIMIT $7
), mine AS (
    SELECT seq, at FROM created UNION SELECT seq, at FROM reached ORDER BY seq LIMIT $7
)
SELECT count(*), min(at) FROM mine
