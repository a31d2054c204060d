DELETE FROM quarantine WHERE tenant = $1 AND desk = $2 AND connector = $3
  AND ticket IN (SELECT r.value::uuid FROM jsonb_array_elements_text($4::jsonb) AS r (value))
