SELECT ticket, bucket, generation, acked, released, reason, since FROM quarantine
WHERE tenant = ?1 AND desk = ?2 AND connector = ?3
