-- $1: queues as [tenant, desk, queue]; how many legs wait in each.
SELECT
    r.nth - 1,
    (SELECT count(*) FROM leg AS l
      WHERE l.tenant = r.value ->> 0 AND l.desk = r.value ->> 1 AND l.queue = r.value ->> 2 AND l.order_key IS NOT NULL)
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (value, nth)
