SELECT make_event_partitions($1::int)
