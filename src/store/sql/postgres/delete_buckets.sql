DELETE FROM bucket WHERE tenant = $1 AND desk = $2 AND connector = $3
  AND bucket IN (SELECT jsonb_array_elements_text($4::jsonb))
