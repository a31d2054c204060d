SELECT bucket, acked, instance, generation, gained, head, head_attempts FROM bucket WHERE tenant = $1 AND desk = $2 AND connector = $3
