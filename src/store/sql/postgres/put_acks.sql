-- $1: rows as [tenant, desk, connector, generation, acked]; of equal ones the highest counts.
INSERT INTO subscription AS s (tenant, desk, connector, generation, acked)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, max((r.value ->> 3)::bigint), max((r.value ->> 4)::bigint)
FROM jsonb_array_elements($1::jsonb) AS r (value)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
ON CONFLICT (tenant, desk, connector) DO UPDATE SET
    acked = greatest(s.acked, excluded.acked)
