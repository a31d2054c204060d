-- Tickets of which a decision was not taken too often are kept back from their connector, or read apart from their bucket until they
-- are where it is; `head` and `attempts` count that for the oldest decision of a bucket. Defaults, for an older version beside this
-- one knows nothing of them.
ALTER TABLE bucket ADD COLUMN head INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bucket ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;

CREATE TABLE quarantine (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    connector TEXT NOT NULL,
    ticket TEXT NOT NULL,
    bucket TEXT NOT NULL,
    generation INTEGER NOT NULL,
    acked INTEGER NOT NULL,
    released INTEGER NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (tenant, desk, connector, ticket)
) STRICT, WITHOUT ROWID;
