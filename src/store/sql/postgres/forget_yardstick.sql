DELETE FROM dedup WHERE tenant = '' AND caller = '' AND method = ''
