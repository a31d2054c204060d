SELECT ticket::text, bucket, acked, released::int::bigint, reason, since FROM quarantine WHERE tenant = $1 AND desk = $2 AND connector = $3
