-- Tickets of which a decision was not taken too often are kept back from their connector, or read apart from their bucket until they
-- are where it is; `head` and `attempts` count that for the oldest decision of a bucket. Defaults, for an older version beside this
-- one knows nothing of them.
ALTER TABLE bucket ADD COLUMN head bigint NOT NULL DEFAULT 0, ADD COLUMN attempts bigint NOT NULL DEFAULT 0;

CREATE TABLE quarantine (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    connector text COLLATE "C" NOT NULL,
    ticket uuid NOT NULL,
    bucket text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    acked bigint NOT NULL,
    released bigint NOT NULL,
    reason text NOT NULL,
    since bigint NOT NULL,
    PRIMARY KEY (tenant, desk, connector, ticket)
);
