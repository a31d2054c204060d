-- The processes of a connector share its decisions: each reads some of the buckets into which the connector's tickets are cut, and
-- acknowledgements are kept per bucket. `subscription` has the last generation that was given to anybody, and what was
-- acknowledged before there were buckets.
ALTER TABLE event ADD COLUMN instance TEXT;

CREATE TABLE instance (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    connector TEXT NOT NULL,
    instance TEXT NOT NULL,
    opening INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    since INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    PRIMARY KEY (tenant, desk, connector, instance)
) STRICT, WITHOUT ROWID;

CREATE INDEX instance_lease ON instance (lease_until);

-- `bucket`: a hexadecimal digit, `*`, or `=` and the name of a process.
CREATE TABLE bucket (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    connector TEXT NOT NULL,
    bucket TEXT NOT NULL,
    acked INTEGER NOT NULL,
    instance TEXT,
    generation INTEGER NOT NULL,
    gained INTEGER NOT NULL,
    PRIMARY KEY (tenant, desk, connector, bucket)
) STRICT, WITHOUT ROWID;
