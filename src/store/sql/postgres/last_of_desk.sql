-- $6: of each bucket, and each ticket apart, what comes after this number; null: all of all.
SELECT seq FROM event
WHERE tenant = $1 AND desk = $2 AND seq <= $3 AND kind IS NOT NULL
  AND ($4::text IS NULL OR channel IN (SELECT jsonb_array_elements_text($4::jsonb)))
  AND ($5::text IS NULL OR kind IN (SELECT jsonb_array_elements_text($5::jsonb)))
  AND ($6::text IS NULL OR seq > coalesce(
      ($6::jsonb ->> replace(ticket::text, '-', ''))::bigint,
      ($6::jsonb ->> right(ticket::text, 1))::bigint,
      9223372036854775807))
ORDER BY seq DESC LIMIT 1
