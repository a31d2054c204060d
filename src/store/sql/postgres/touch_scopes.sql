-- What other replicas have in memory of these desks is old from now on.
UPDATE desk AS d
SET scope_ver = d.scope_ver + 1
FROM unnest($1::text[], $2::text[])
    AS r (tenant, desk)
WHERE d.tenant = r.tenant AND d.desk = r.desk
