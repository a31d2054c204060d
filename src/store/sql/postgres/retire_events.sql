-- The oldest entries of a desk's log up to the first that is to stay: a hole in the middle would look like a loss. Only of those
-- that are in no month's partition, which goes as a whole.
WITH oldest AS (
    SELECT seq, at, tableoid = 'event_rest'::regclass AS is_rest FROM event WHERE tenant = $1 AND desk = $2 ORDER BY seq LIMIT $4
)
DELETE FROM event_rest
WHERE tenant = $1 AND desk = $2
  AND seq <= (SELECT max(seq) FROM oldest)
  AND seq < coalesce((SELECT min(seq) FROM oldest WHERE at >= $3 OR NOT is_rest), 9223372036854775807)
