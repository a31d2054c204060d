SELECT bucket, acked, instance, generation, gained, head, attempts FROM bucket WHERE tenant = $1 AND desk = $2 AND connector = $3
