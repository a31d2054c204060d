DELETE FROM lane AS x
USING unnest($1::text[], $2::text[], $3::bigint[])
    AS r (tenant, desk, number)
WHERE x.tenant = r.tenant AND x.desk = r.desk AND x.number = r.number
