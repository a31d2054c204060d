//! Tests of the statements themselves: each can be prepared, and none walks a large table.

use sqlx::{Connection, PgConnection};

use super::statements::ALL as OWN;
use super::{PostgresStore, open, server};
use crate::store::statements::{self, ALL as SHARED};

/// Some thousand rows in every table that grows. Most tickets are over, as in a desk that has run for a while.
const ROWS: &str = "
INSERT INTO desk SELECT 't', 'd' || n, 0, '{}' FROM generate_series(1, 20) AS n;
INSERT INTO desk_head SELECT 't', 'd' || n, 1, 5000 FROM generate_series(1, 20) AS n;
INSERT INTO agent SELECT 't', 'd' || n % 20, 'a' || n, n, false, 0, 0, CASE WHEN n % 10 = 0 THEN n END, '{}' FROM generate_series(1, 5000) AS n;
INSERT INTO ticket SELECT 't', 'd' || n % 20, md5(n::text)::uuid, 'n' || n, CASE WHEN n % 20 = 0 THEN 'QUEUED' ELSE 'CLOSED' END,
    CASE WHEN n % 20 = 0 THEN 2 ELSE 0 END, 'chat', 'q', 'c' || n % 5, 'a' || n % 500, n % 3, n, CASE WHEN n % 20 = 0 THEN n END, '{}'
FROM generate_series(1, 20000) AS n;
INSERT INTO content SELECT tenant, desk, ticket, '{}' FROM ticket;
INSERT INTO leg SELECT tenant, desk, ticket, 1, 1, 'done', stage = 2, owner, owner, queue, CASE WHEN stage = 2 THEN md5(name) END, stage = 2, '{}' FROM ticket;
INSERT INTO offer SELECT tenant, desk, ticket, 1, 1, 0, owner, stage = 2, '{}' FROM ticket;
INSERT INTO conversation SELECT tenant, desk, connector, name, ticket FROM ticket WHERE stage = 2;
INSERT INTO dedup SELECT 't', 'c', 'm', 'k' || n, 'h', '{}', n FROM generate_series(1, 20000) AS n;
INSERT INTO policy SELECT 't', 'd' || n % 20, n, '', '', '', n FROM generate_series(1, 2000) AS n;
INSERT INTO connector SELECT 't', 'd' || n % 20, 'c' || n, false, '{}' FROM generate_series(1, 2000) AS n;
INSERT INTO lane SELECT 't', 'd' || n % 20, n, '{}' FROM generate_series(1, 2000) AS n;
INSERT INTO grp SELECT 't', 'd' || n % 20, n, '{}' FROM generate_series(1, 2000) AS n;
INSERT INTO subscription SELECT 't', 'd' || n % 20, 'c' || n, 1, 1 FROM generate_series(1, 2000) AS n;
INSERT INTO instance SELECT 't', 'd' || n % 20, 'c' || n, 'i', 1, 1, 1, n FROM generate_series(1, 2000) AS n;
INSERT INTO quarantine SELECT 't', 'd' || n % 20, 'c' || n % 500, gen_random_uuid(), '3', 1, 1, n % 2, 'r', 1 FROM generate_series(1, 20000) AS n;
INSERT INTO bucket SELECT 't', 'd' || n % 20, 'c' || n % 500, '=' || n, 1, 'i', 1, 0 FROM generate_series(1, 20000) AS n;
INSERT INTO event SELECT t.tenant, t.desk, row_number() OVER (PARTITION BY t.desk), (extract(epoch FROM now()) * 1000000)::bigint, '{}', t.ticket, 1,
    'offered', t.connector, t.channel, 'c7', '{}' FROM ticket AS t;
ANALYZE;
";

const TABLES: &[&str] = &[
    "ticket",
    "leg",
    "offer",
    "event",
    "agent",
    "content",
    "conversation",
    "dedup",
    "policy",
    "connector",
    "lane",
    "grp",
    "subscription",
    "instance",
    "bucket",
    "quarantine",
    "desk",
    "desk_head",
];

async fn filled() -> (server::Database, PgConnection) {
    let database = server::server().database(None);
    PostgresStore::migrate(&database.url()).await.expect("it is migrated");
    database.say(ROWS);
    let options = open::options(&database.url()).expect("a URL");
    let connection = PgConnection::connect_with(&options).await.expect("it is there");
    (database, connection)
}

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    OWN.iter().copied().chain(SHARED.iter().map(|(name, statement)| (*name, statement.postgres)))
}

/// How many parameters a statement takes.
fn parameters(statement: &str) -> usize {
    (1..100).rev().find(|nth| statement.contains(&format!("${nth}"))).unwrap_or(0)
}

/// Plans as they are kept, for whatever parameters.
async fn plan(connection: &mut PgConnection, name: &str, statement: &str) -> Vec<String> {
    let nulls = vec!["NULL"; parameters(statement)].join(", ");
    let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let prepare = format!("DEALLOCATE ALL; SET plan_cache_mode = force_generic_plan; PREPARE hot AS {statement}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(prepare))
        .execute(&mut *connection)
        .await
        .unwrap_or_else(|error| panic!("{name} cannot be prepared: {error}"));
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN EXECUTE hot{arguments}"));
    let lines = sqlx::raw_sql(explain).fetch_all(&mut *connection).await;
    let lines = lines.unwrap_or_else(|error| panic!("{name} cannot be explained: {error}"));
    lines.iter().map(|row| sqlx::Row::get::<String, _>(row, 0)).collect()
}

/// Whether the step reads one of the large tables.
fn table(step: &str) -> Option<&str> {
    let name = step.split(" on ").nth(1)?.split_whitespace().next()?;
    let is_large = TABLES.contains(&name) || name.starts_with("event_");
    is_large.then_some(name)
}

/// Steps that walk a table, or an index of it from end to end.
fn walks(steps: &[String]) -> Vec<&str> {
    let ends_at_once = |at: usize| steps[..at].iter().rev().take(2).any(|step| step.contains("Limit "));
    let walk = |(at, step): (usize, &String)| {
        table(step)?;
        let is_bounded = steps[at + 1..]
            .iter()
            .take_while(|next| !next.trim_start().starts_with("->"))
            .any(|next| next.contains("Index Cond"));
        let whole_index = step.contains("Index") && !step.contains("Bitmap Heap") && !is_bounded && !ends_at_once(at);
        (step.contains("Seq Scan") || whole_index).then_some(steps[at].trim())
    };
    steps.iter().enumerate().filter_map(walk).collect()
}

#[tokio::test]
async fn every_statement_can_be_prepared_and_none_walks_a_large_table() {
    let (_database, mut connection) = filled().await;
    // A row for each desk, or connector.
    let may_walk = [
        statements::ALL_DESKS.postgres,
        statements::ATTENDED.postgres,
        statements::HEADS.postgres,
        statements::INCARNATION.postgres,
    ];
    let mut found = Vec::new();
    for (name, statement) in all().filter(|(_, statement)| !may_walk.contains(statement)) {
        let steps = plan(&mut connection, name, statement).await;
        if !walks(&steps).is_empty() {
            found.push(format!("{name}: {:?}\n{}", walks(&steps), steps.join("\n")));
        }
    }
    assert!(found.is_empty(), "{} statements:\n{}", found.len(), found.join("\n\n"));
}

/// Tables of which a desk has many rows.
const OF_DESKS: [&str; 5] = ["ticket", "content", "leg", "offer", "event_"];

/// Steps that go through all of a desk's rows for want of anything else to look them up by.
fn walks_the_desk(steps: &[String]) -> Vec<&str> {
    let walk = |(at, step): (usize, &String)| {
        let name = table(step)?;
        OF_DESKS.iter().find(|table| name.starts_with(*table))?;
        let condition = steps[at + 1..]
            .iter()
            .take_while(|next| !next.trim_start().starts_with("->"))
            .find_map(|next| next.trim_start().strip_prefix("Index Cond: "))?;
        let of_a_desk = condition.contains("desk = ") && condition.matches(" AND ").count() < 2;
        of_a_desk.then_some(steps[at].trim())
    };
    steps.iter().enumerate().filter_map(walk).collect()
}

async fn empty() -> (server::Database, PgConnection) {
    let database = server::server().database(None);
    PostgresStore::migrate(&database.url()).await.expect("it is migrated");
    let options = open::options(&database.url()).expect("a URL");
    let connection = PgConnection::connect_with(&options).await.expect("it is there");
    (database, connection)
}

/// Asserts that nothing goes through a desk for want of a key. It may where it wants the first entry, or the few legs that an index
/// of their own lists.
async fn nothing_walks_a_desk(connection: &mut PgConnection) {
    let may_walk = [statements::RETIRE_EVENTS.postgres, statements::WAITING_WITH_AMOUNTS.postgres];
    let mut found = Vec::new();
    for (name, statement) in all().filter(|(_, statement)| !may_walk.contains(statement)) {
        let steps = plan(connection, name, statement).await;
        if !walks_the_desk(&steps).is_empty() {
            found.push(format!("{name}: {:?}\n{}", walks_the_desk(&steps), steps.join("\n")));
        }
    }
    assert!(found.is_empty(), "{} statements:\n{}", found.len(), found.join("\n\n"));
}

/// While a table was never analysed the planner takes a desk for one row, and walks it for each row that it should look up.
#[tokio::test]
async fn nothing_walks_a_desk_in_tables_that_were_never_analysed() {
    let (_database, mut connection) = empty().await;
    nothing_walks_a_desk(&mut connection).await;
}

/// One desk, which has begun a moment ago.
const FEW: &str = "
INSERT INTO agent SELECT 't', 'd', 'a' || n, n, false, 0, 0, NULL, repeat('x', 500) FROM generate_series(1, 60) AS n;
INSERT INTO ticket SELECT 't', 'd', gen_random_uuid(), 'n' || n, 'QUEUED', 2, 'chat', 'q', 'c', NULL, 0, n, n, repeat('x', 800)
FROM generate_series(1, 60) AS n;
INSERT INTO content SELECT tenant, desk, ticket, '{}' FROM ticket;
INSERT INTO leg SELECT tenant, desk, ticket, 1, 1, 'waiting', true, NULL, NULL, queue, CASE WHEN name LIKE '%0' THEN md5(name) END, false,
    repeat('x', 500) FROM ticket;
";

#[tokio::test]
async fn a_small_desk_is_analysed_and_its_tickets_are_looked_up_by_their_key() {
    let (database, mut connection) = empty().await;
    let analysed = || (0..16).take_while(|_| database.say("SELECT analyse_grown()").trim() == "t").count();
    assert_eq!(analysed(), 0, "there is nothing");
    database.say(FEW);
    assert_eq!(analysed(), 4);
    assert_eq!(analysed(), 0, "nothing has grown since");
    // `ticket = ..` is a condition of many indexes, and leads through all of a desk in each but one.
    let elsewhere = |steps: &[String]| -> Vec<String> {
        let scan = |(at, step): (usize, &String)| {
            let name = table(step).filter(|name| *name == "ticket")?;
            let key = steps.get(at + 1)?.contains("ticket = ") && !step.contains("using ticket_pkey");
            key.then(|| format!("{name}: {step}"))
        };
        steps.iter().enumerate().filter_map(scan).collect()
    };
    nothing_walks_a_desk(&mut connection).await;
    for (name, statement) in all() {
        let steps = plan(&mut connection, name, statement).await;
        assert!(elsewhere(&steps).is_empty(), "{name}: {:?}\n{}", elsewhere(&steps), steps.join("\n"));
    }
}

/// Much was in these tables, and takes its place still; of each one row is left, and the planner takes all that comes for another.
const GONE: &str = "
DELETE FROM dedup WHERE key <> 'k1';
DELETE FROM ticket WHERE name <> 'n1';
DELETE FROM agent WHERE agent <> 'a1';
DELETE FROM content USING (SELECT min(ticket::text) AS kept FROM content) AS o WHERE ticket::text <> o.kept;
DELETE FROM leg USING (SELECT min(ticket::text) AS kept FROM leg) AS o WHERE ticket::text <> o.kept;
DELETE FROM offer USING (SELECT min(ticket::text) AS kept FROM offer) AS o WHERE ticket::text <> o.kept;
ANALYZE;
";

#[tokio::test]
async fn what_each_batch_writes_finds_its_rows_by_their_keys_in_tables_that_were_emptied() {
    let (database, mut connection) = filled().await;
    database.say(GONE);
    let hot = [super::statements::TAKE_ANSWERS, super::statements::PUT_ROWS, super::statements::APPEND];
    for (name, statement) in all().filter(|(_, statement)| hot.contains(statement)) {
        let steps = plan(&mut connection, name, statement).await;
        let found: Vec<_> = walks(&steps).into_iter().filter(|step| !step.contains("desk_head")).collect();
        assert!(found.is_empty(), "{name}: {found:?}\n{}", steps.join("\n"));
    }
}

#[tokio::test]
async fn a_statement_that_walks_a_table_is_found() {
    let (_database, mut connection) = filled().await;
    for statement in [
        "SELECT body FROM ticket WHERE body = $1",
        "SELECT body FROM event WHERE body = $1",
        "SELECT count(*) FROM agent WHERE number > $1",
        "SELECT body FROM ticket ORDER BY tenant, desk, ticket",
    ] {
        let steps = plan(&mut connection, statement, statement).await;
        assert!(!walks(&steps).is_empty(), "{statement}:\n{}", steps.join("\n"));
    }
}
