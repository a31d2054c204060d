-- $7: of each bucket, and each ticket apart, what comes after this number; null: all of all.
SELECT greatest(
    coalesce((
        SELECT seq FROM event
        WHERE tenant = $1 AND desk = $2 AND connector = $6 AND seq <= $3
          AND ($4::text IS NULL OR channel IN (SELECT jsonb_array_elements_text($4::jsonb)))
          AND ($5::text IS NULL OR kind IN (SELECT jsonb_array_elements_text($5::jsonb)))
          AND ($7::text IS NULL OR seq > coalesce(
              ($7::jsonb ->> replace(ticket::text, '-', ''))::bigint,
              ($7::jsonb ->> CASE WHEN instance IS NULL THEN right(ticket::text, 1) ELSE '=' || instance END)::bigint,
              CASE WHEN instance IS NOT NULL THEN ($7::jsonb ->> '*')::bigint END,
              9223372036854775807))
        ORDER BY seq DESC LIMIT 1), 0),
    coalesce((
        SELECT seq FROM event
        WHERE tenant = $1 AND desk = $2 AND side_connector = $6 AND seq <= $3
          AND ($4::text IS NULL OR channel IN (SELECT jsonb_array_elements_text($4::jsonb)))
          AND ($5::text IS NULL OR kind IN (SELECT jsonb_array_elements_text($5::jsonb)))
          AND ($7::text IS NULL OR seq > coalesce(
              ($7::jsonb ->> replace(ticket::text, '-', ''))::bigint,
              ($7::jsonb ->> right(ticket::text, 1))::bigint,
              9223372036854775807))
        ORDER BY seq DESC LIMIT 1), 0))
