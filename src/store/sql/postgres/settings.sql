SELECT
    current_setting('server_version_num')::bigint,
    current_setting('server_version'),
    current_setting('fsync'),
    current_setting('synchronous_commit'),
    current_setting('full_page_writes'),
    current_setting('synchronous_standby_names'),
    pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
    hashtextextended(gen_random_uuid()::text, 0)
