-- Every key begins with the tenant (invariant I13). Columns hold what is searched or guarded; `body` is the rest of the row as
-- JSON. Times are microseconds since the Unix epoch, ticket ids 32 hexadecimal digits.

CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    incarnation INTEGER NOT NULL
) STRICT;

CREATE TABLE desk (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk)
) STRICT, WITHOUT ROWID;

-- The hot row: the last number of the desk's log, and the epoch of its availability view. Nothing refers to it.
CREATE TABLE desk_head (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    head INTEGER NOT NULL,
    PRIMARY KEY (tenant, desk)
) STRICT, WITHOUT ROWID;

CREATE TABLE lane (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE grp (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE connector (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    connector TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, connector)
) STRICT, WITHOUT ROWID;

CREATE TABLE policy (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    revision INTEGER NOT NULL,
    source TEXT NOT NULL,
    author TEXT NOT NULL,
    change_note TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    PRIMARY KEY (tenant, desk, revision)
) STRICT;

CREATE TABLE agent (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    agent TEXT NOT NULL,
    number INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    used_live INTEGER NOT NULL CHECK (used_live >= 0),
    used_deferred INTEGER NOT NULL CHECK (used_deferred >= 0),
    next_due_at INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, agent)
) STRICT;

CREATE INDEX agent_due ON agent (next_due_at) WHERE next_due_at IS NOT NULL;

-- `stage`: 2 there is work on it (a wrap-up included); 1 resolved, and it may come back; 0 over.
CREATE TABLE ticket (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    ticket TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    stage INTEGER NOT NULL,
    channel TEXT NOT NULL,
    queue TEXT NOT NULL,
    connector TEXT NOT NULL,
    owner TEXT,
    policy_rev INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    next_due_at INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, ticket)
) STRICT;

CREATE INDEX ticket_created ON ticket (tenant, desk, create_time, ticket);
CREATE INDEX ticket_state ON ticket (tenant, desk, state, create_time, ticket);
CREATE INDEX ticket_owner ON ticket (tenant, desk, owner, create_time, ticket) WHERE owner IS NOT NULL;
CREATE INDEX ticket_open ON ticket (tenant, desk, ticket) WHERE stage = 2;
CREATE INDEX ticket_pinned ON ticket (tenant, desk, policy_rev) WHERE stage > 0;
CREATE INDEX ticket_due ON ticket (next_due_at) WHERE next_due_at IS NOT NULL;

-- What customers wrote: nowhere else.
CREATE TABLE content (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    ticket TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, ticket)
) STRICT;

-- `order_key` is set while the leg waits, and begins with its band; `amounts`: it waits, and its need names an amount.
CREATE TABLE leg (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    ticket TEXT NOT NULL,
    leg INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    state TEXT NOT NULL,
    open INTEGER NOT NULL,
    agent TEXT,
    prefer TEXT,
    queue TEXT NOT NULL,
    order_key TEXT,
    amounts INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, ticket, leg)
) STRICT;

CREATE INDEX leg_agent ON leg (tenant, desk, agent, ticket) WHERE open = 1 AND agent IS NOT NULL;
CREATE INDEX leg_prefer ON leg (tenant, desk, prefer, ticket) WHERE order_key IS NOT NULL AND prefer IS NOT NULL;
CREATE INDEX leg_waiting ON leg (tenant, desk, queue, order_key) WHERE order_key IS NOT NULL;
CREATE INDEX leg_amounts ON leg (tenant, desk, ticket, leg) WHERE amounts = 1;

-- Kept as long as its ticket. `open`: it books its agent.
CREATE TABLE offer (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    ticket TEXT NOT NULL,
    leg INTEGER NOT NULL,
    leg_ver INTEGER NOT NULL,
    nth INTEGER NOT NULL,
    agent TEXT NOT NULL,
    open INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, ticket, leg, leg_ver, nth)
) STRICT;

CREATE INDEX offer_agent ON offer (tenant, desk, agent, ticket) WHERE open = 1;

-- Keys of open tickets only.
CREATE TABLE conversation (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    connector TEXT NOT NULL,
    key TEXT NOT NULL,
    ticket TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, connector, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX conversation_key ON conversation (tenant, desk, key);

-- The log. No customer text. `kind` and the route (connector, channel, side_connector) are those of a decision; what stays
-- inside has none.
CREATE TABLE event (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    ticket TEXT,
    ticket_seq INTEGER NOT NULL,
    kind TEXT,
    connector TEXT,
    channel TEXT,
    side_connector TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, desk, seq)
) STRICT;

CREATE INDEX event_ticket ON event (tenant, desk, ticket, seq) WHERE ticket IS NOT NULL;
CREATE INDEX event_connector ON event (tenant, desk, connector, seq) WHERE connector IS NOT NULL;
CREATE INDEX event_side ON event (tenant, desk, side_connector, seq) WHERE side_connector IS NOT NULL;

CREATE TABLE dedup (
    tenant TEXT NOT NULL,
    caller TEXT NOT NULL,
    method TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, caller, method, key)
) STRICT;

CREATE INDEX dedup_at ON dedup (at);

CREATE TABLE subscription (
    tenant TEXT NOT NULL,
    desk TEXT NOT NULL,
    connector TEXT NOT NULL,
    generation INTEGER NOT NULL,
    acked INTEGER NOT NULL,
    PRIMARY KEY (tenant, desk, connector)
) STRICT, WITHOUT ROWID;

-- A ticket with all that belongs to it, read in one statement and so in one state.
CREATE VIEW whole_ticket AS
SELECT
    t.*,
    (SELECT c.body FROM content AS c WHERE c.tenant = t.tenant AND c.desk = t.desk AND c.ticket = t.ticket) AS content,
    (SELECT '[' || group_concat(l.body, ',') || ']' FROM leg AS l
      WHERE l.tenant = t.tenant AND l.desk = t.desk AND l.ticket = t.ticket) AS legs,
    (SELECT '[' || group_concat(o.body, ',') || ']' FROM offer AS o
      WHERE o.tenant = t.tenant AND o.desk = t.desk AND o.ticket = t.ticket) AS offers
FROM ticket AS t;
