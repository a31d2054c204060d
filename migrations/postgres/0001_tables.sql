-- Every key begins with the tenant (invariant I13). Columns hold what is searched or guarded; `body` is the rest of the row as
-- JSON, which nobody looks into here: text, neither parsed nor escaped. Times are microseconds since the Unix epoch. Keys are
-- compared by bytes, as the service compares them, whatever the database's collation is.

-- `min_binary`: the oldest version of the service that may run on this schema. A migration raises it if what it changes would
-- break older ones, and leaves it otherwise, so that both versions run during a rollout.
CREATE TABLE meta (
    one bigint PRIMARY KEY CHECK (one = 1),
    incarnation bigint NOT NULL,
    min_binary text NOT NULL
);

INSERT INTO meta (one, incarnation, min_binary)
VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, '0.1.0');

-- `scope_ver` rises with every change of the desk's settings, connectors, interned tables and policies: what a process has of
-- them in memory counts as long as it is that version.
CREATE TABLE desk (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    scope_ver bigint NOT NULL DEFAULT 0,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk)
);

-- The hot row: the last number of the desk's log, and the epoch of its availability view. Nothing refers to it.
CREATE TABLE desk_head (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    head bigint NOT NULL,
    PRIMARY KEY (tenant, desk)
) WITH (fillfactor = 50);

CREATE TABLE lane (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, number)
);

CREATE TABLE grp (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, number)
);

CREATE TABLE connector (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    connector text COLLATE "C" NOT NULL,
    deleted boolean NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, connector)
);

CREATE TABLE policy (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    source text NOT NULL,
    author text NOT NULL,
    change_note text NOT NULL,
    create_time bigint NOT NULL,
    PRIMARY KEY (tenant, desk, revision)
);

CREATE TABLE agent (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    deleted boolean NOT NULL,
    used_live bigint NOT NULL CHECK (used_live >= 0),
    used_deferred bigint NOT NULL CHECK (used_deferred >= 0),
    next_due_at bigint,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, agent)
) WITH (fillfactor = 70);

CREATE INDEX agent_due ON agent (next_due_at) WHERE next_due_at IS NOT NULL;

-- `stage`: 2 there is work on it (a wrap-up included); 1 resolved, and it may come back; 0 over.
CREATE TABLE ticket (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    ticket uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    stage bigint NOT NULL,
    channel text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    connector text COLLATE "C" NOT NULL,
    owner text COLLATE "C",
    policy_rev bigint NOT NULL,
    create_time bigint NOT NULL,
    next_due_at bigint,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, ticket)
) WITH (fillfactor = 80);

CREATE INDEX ticket_created ON ticket (tenant, desk, create_time, ticket);
CREATE INDEX ticket_state ON ticket (tenant, desk, state, create_time, ticket);
CREATE INDEX ticket_owner ON ticket (tenant, desk, owner, create_time, ticket) WHERE owner IS NOT NULL;
CREATE INDEX ticket_open ON ticket (tenant, desk, ticket) WHERE stage = 2;
CREATE INDEX ticket_pinned ON ticket (tenant, desk, policy_rev) WHERE stage > 0;
CREATE INDEX ticket_due ON ticket (next_due_at) WHERE next_due_at IS NOT NULL;

-- What customers wrote: nowhere else.
CREATE TABLE content (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    ticket uuid NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, ticket)
);

-- `order_key` is set while the leg waits, and begins with its band; `amounts`: it waits, and its need names an amount.
CREATE TABLE leg (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    ticket uuid NOT NULL,
    leg bigint NOT NULL,
    ver bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    open boolean NOT NULL,
    agent text COLLATE "C",
    prefer text COLLATE "C",
    queue text COLLATE "C" NOT NULL,
    order_key text COLLATE "C",
    amounts boolean NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, ticket, leg)
) WITH (fillfactor = 80);

CREATE INDEX leg_agent ON leg (tenant, desk, agent, ticket) WHERE open AND agent IS NOT NULL;
CREATE INDEX leg_prefer ON leg (tenant, desk, prefer, ticket) WHERE order_key IS NOT NULL AND prefer IS NOT NULL;
CREATE INDEX leg_waiting ON leg (tenant, desk, queue, order_key) WHERE order_key IS NOT NULL;
CREATE INDEX leg_amounts ON leg (tenant, desk, ticket, leg) WHERE amounts;

-- Kept as long as its ticket. `open`: it books its agent.
CREATE TABLE offer (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    ticket uuid NOT NULL,
    leg bigint NOT NULL,
    leg_ver bigint NOT NULL,
    nth bigint NOT NULL,
    agent text COLLATE "C" NOT NULL,
    open boolean NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, ticket, leg, leg_ver, nth)
);

CREATE INDEX offer_agent ON offer (tenant, desk, agent, ticket) WHERE open;

-- Keys of open tickets only.
CREATE TABLE conversation (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    connector text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    ticket uuid NOT NULL,
    PRIMARY KEY (tenant, desk, connector, key)
);

CREATE INDEX conversation_key ON conversation (tenant, desk, key);

-- The log. No customer text. `kind` and the route (connector, channel, side_connector) are those of a decision; what stays
-- inside has none. One partition per month, made ahead, dropped as a whole when it is past its retention; what fits into none
-- (a clock far off, a month that was not made in time) is in `event_rest`. A number is unique in its log because it is taken
-- under the lock of the log's head: a unique key cannot leave out the partition's column.
CREATE TABLE event (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    ticket uuid,
    ticket_seq bigint NOT NULL,
    kind text COLLATE "C",
    connector text COLLATE "C",
    channel text COLLATE "C",
    side_connector text COLLATE "C",
    body text NOT NULL,
    PRIMARY KEY (tenant, desk, seq, at)
) PARTITION BY RANGE (at);

CREATE TABLE event_rest PARTITION OF event DEFAULT;

CREATE INDEX event_ticket ON event (tenant, desk, ticket, seq) WHERE ticket IS NOT NULL;
CREATE INDEX event_connector ON event (tenant, desk, connector, seq) WHERE connector IS NOT NULL;
CREATE INDEX event_side ON event (tenant, desk, side_connector, seq) WHERE side_connector IS NOT NULL;

-- `answer` is null as long as the key is only taken: rows without one are never committed.
CREATE TABLE dedup (
    tenant text COLLATE "C" NOT NULL,
    caller text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    request_hash text,
    answer text,
    at bigint NOT NULL,
    PRIMARY KEY (tenant, caller, method, key)
);

CREATE INDEX dedup_at ON dedup (at);

CREATE TABLE subscription (
    tenant text COLLATE "C" NOT NULL,
    desk text COLLATE "C" NOT NULL,
    connector text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    acked bigint NOT NULL,
    PRIMARY KEY (tenant, desk, connector)
);

-- A ticket with all that belongs to it, read in one statement and so in one state.
CREATE VIEW whole_ticket AS
SELECT
    t.*,
    (SELECT c.body FROM content AS c WHERE c.tenant = t.tenant AND c.desk = t.desk AND c.ticket = t.ticket) AS content,
    (SELECT '[' || string_agg(l.body, ',') || ']' FROM leg AS l
      WHERE l.tenant = t.tenant AND l.desk = t.desk AND l.ticket = t.ticket) AS legs,
    (SELECT '[' || string_agg(o.body, ',') || ']' FROM offer AS o
      WHERE o.tenant = t.tenant AND o.desk = t.desk AND o.ticket = t.ticket) AS offers
FROM ticket AS t;

CREATE FUNCTION month_start(month date) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN (extract(epoch FROM month::timestamp) * 1000000)::bigint;

-- Makes the partitions of this month and of so many that follow, and answers how many were made. The two functions run with the
-- rights of their owner, the migrator, so that the service itself needs none to create or drop.
CREATE FUNCTION make_event_partitions(ahead integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    month date;
    partition text;
    made bigint := 0;
BEGIN
    FOR nth IN 0..ahead LOOP
        month := (date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(months => nth))::date;
        partition := 'event_' || to_char(month, 'YYYYMM');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        -- Of several replicas one makes it.
        EXIT WHEN NOT pg_try_advisory_xact_lock(hashtextextended('handoff event partitions', 0));
        -- What was written without a partition stays where it is.
        CONTINUE WHEN EXISTS (
            SELECT 1 FROM event_rest
            WHERE at >= month_start(month) AND at < month_start((month + make_interval(months => 1))::date));
        EXECUTE format('CREATE TABLE %I (LIKE event INCLUDING ALL)', partition);
        EXECUTE format('ALTER TABLE event ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            partition, month_start(month), month_start((month + make_interval(months => 1))::date));
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Drops the months that end at or before a time, the oldest first, and answers about how many rows went. A month of which some
-- row is numbered behind one that is to stay stays too: a hole in the middle of a log would look like a loss.
CREATE FUNCTION drop_event_partitions(before bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    found record;
    log record;
    last bigint;
    needed boolean;
    dropped bigint := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('handoff event partitions', 0)) THEN
        RETURN 0;
    END IF;
    FOR found IN
        SELECT c.relname AS name, greatest(c.reltuples, 1)::bigint AS size, to_date(right(c.relname, 6), 'YYYYMM') AS month
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{6}$'
        ORDER BY c.relname
    LOOP
        EXIT WHEN month_start((found.month + make_interval(months => 1))::date) > before;
        FOR log IN SELECT tenant, desk FROM desk_head LOOP
            EXECUTE format('SELECT max(seq) FROM %I WHERE tenant = $1 AND desk = $2', found.name)
            INTO last USING log.tenant, log.desk;
            CONTINUE WHEN last IS NULL;
            needed := EXISTS (
                SELECT 1 FROM event
                WHERE tenant = log.tenant AND desk = log.desk AND seq < last
                  AND (at < month_start(found.month) OR at >= month_start((found.month + make_interval(months => 1))::date)));
            IF needed THEN
                RETURN dropped;
            END IF;
        END LOOP;
        EXECUTE format('DROP TABLE %I', found.name);
        dropped := dropped + found.size;
    END LOOP;
    RETURN dropped;
END
$$;

-- Nobody can put a table or an operator of their own before those that the functions mean.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION make_event_partitions(integer) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION drop_event_partitions(bigint) SET search_path = %I, pg_temp', current_schema());
END
$$;

REVOKE EXECUTE ON FUNCTION make_event_partitions(integer), drop_event_partitions(bigint) FROM PUBLIC;
