DELETE FROM instance WHERE tenant = $1 AND desk = $2 AND connector = $3
  AND instance IN (SELECT jsonb_array_elements_text($4::jsonb))
