-- The processes of a connector share its decisions: each reads some of the buckets into which the connector's tickets are cut, and
-- acknowledgements are kept per bucket. `subscription` has the last generation that was given to anybody, and what was
-- acknowledged before there were buckets; its row is locked by whoever changes anything of these.
ALTER TABLE event ADD COLUMN instance text COLLATE "C";

CREATE TABLE instance (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    connector text COLLATE "C" NOT NULL,
    instance text COLLATE "C" NOT NULL,
    opening bigint NOT NULL,
    generation bigint NOT NULL,
    since bigint NOT NULL,
    lease_until bigint NOT NULL,
    PRIMARY KEY (tenant, desk, connector, instance)
);

CREATE INDEX instance_lease ON instance (lease_until);

-- `bucket`: a hexadecimal digit, `*`, or `=` and the name of a process.
CREATE TABLE bucket (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    connector text COLLATE "C" NOT NULL,
    bucket text COLLATE "C" NOT NULL,
    acked bigint NOT NULL,
    instance text COLLATE "C",
    generation bigint NOT NULL,
    gained bigint NOT NULL,
    PRIMARY KEY (tenant, desk, connector, bucket)
);
