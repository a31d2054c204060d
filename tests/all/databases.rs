//! PostgreSQL itself: migrations, who may run on which schema, what a server must promise, roles, the log's partitions.

use std::process::{self, Output};

use handoff::domain::requirement::Channel;
use handoff::routing::command::Command;
use handoff::store::postgres::{Migrated, PostgresStore};
use handoff::store::{Error, Store};
use sqlx::Connection;

use crate::conformance::Place;
use crate::conformance::harness::{Call, Driver, at, batch, main_desk, new_ticket, page};
use crate::harness::postgres::{Database, Server, server};
use crate::harness::{Folder, tls};

fn migrate(database: &Database) -> Output {
    let mut command = process::Command::new(env!("CARGO_BIN_EXE_handoff"));
    command.args(["migrate", "--database-url", &database.url()]).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

async fn refusal(url: &str) -> String {
    match PostgresStore::open(url).await {
        Ok(_) => panic!("the database was opened"),
        Err(error @ Error::Unfit(_)) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn migrating_again_does_nothing_and_a_database_that_is_not_migrated_is_refused() {
    let database = server().database(None);
    let refused = refusal(&database.url()).await;
    assert_eq!(
        refused,
        "the database cannot be used: its schema is at 0, this version needs 6: run `handoff migrate` first"
    );
    let first = migrate(&database);
    assert!(first.status.success() && first.stdout.is_empty(), "{}", said(&first));
    assert_eq!(said(&first), "handoff: 6 migrations done, the schema is at 6");
    let second = migrate(&database);
    assert!(second.status.success());
    assert_eq!(said(&second), "handoff: the schema is at 6 already");
    PostgresStore::open(&database.url()).await.expect("it opens").close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_that_migrate_at_once_each_finds_it_done() {
    let database = server().database(None);
    let url = database.url();
    let (a, b, c) =
        tokio::join!(PostgresStore::migrate(&url), PostgresStore::migrate(&url), PostgresStore::migrate(&url));
    for migrated in [a, b, c] {
        assert_eq!(migrated.expect("it is migrated").schema, 6);
    }
    assert_eq!(database.say("SELECT count(*) FROM _sqlx_migrations"), "6");
}

#[tokio::test]
async fn a_schema_that_needs_a_newer_version_is_refused_with_its_number() {
    let database = Database::empty();
    database.say("UPDATE meta SET min_binary = '99.0.0'");
    let sentence = "the database cannot be used: its schema needs handoff 99.0.0 or later, this is ";
    let refused = refusal(&database.url()).await;
    assert!(refused.starts_with(sentence), "{refused}");
    let output = migrate(&database);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(sentence) && said(&output).lines().count() == 1, "{}", said(&output));
}

#[tokio::test]
async fn a_newer_schema_that_this_version_can_live_with_is_left_alone() {
    let database = Database::empty();
    database.say("INSERT INTO _sqlx_migrations VALUES (7, 'later', now(), true, 'x', 1)");
    database.say("ALTER TABLE ticket ADD COLUMN later text");
    let migrated = PostgresStore::migrate(&database.url()).await.expect("there is nothing to do");
    assert_eq!(migrated, Migrated { applied: 0, schema: 7 });
    let store = PostgresStore::open(&database.url()).await.expect("it opens");
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.create("old-and-new", Channel::Chat, at(5)).await;
    driver.check().await;
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_acknowledged_is_refused() {
    let database = Database::empty();
    database.say(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name));
    let refused = refusal(&database.url()).await;
    assert!(refused.contains("synchronous_commit is off"), "{refused}");
    database.say(&format!("ALTER DATABASE {} SET synchronous_commit = local", database.name));
    PostgresStore::open(&database.url()).await.expect("it opens").close().await;
}

#[tokio::test]
async fn what_is_no_url_or_leads_nowhere_is_an_error_of_one_sentence() {
    let refused = refusal("postgres://a b").await;
    assert!(refused.contains("URL"), "{refused}");
    let nowhere = PostgresStore::open("postgres://127.0.0.1:1/none?user=nobody").await;
    assert!(matches!(nowhere, Err(Error::Away(_))));
}

/// The blocks of docs/postgres.md, as they stand there.
fn documented() -> [String; 3] {
    let document = std::fs::read_to_string("docs/postgres.md").expect("the document is there");
    let blocks = document.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(rest).to_owned());
    blocks.collect::<Vec<_>>().try_into().expect("three blocks")
}

#[tokio::test]
async fn the_documented_roles_suffice_and_the_service_cannot_change_the_schema() {
    let database = server().database(None);
    let [owner, before, after] = documented();
    let create = "CREATE DATABASE handoff OWNER handoff_migrator";
    assert!(owner.contains(create));
    database.say(&owner.replace(create, &format!("ALTER DATABASE {} OWNER TO handoff_migrator", database.name)));
    database.say_as("handoff_migrator", &before).expect("the migrator may");
    PostgresStore::migrate(&database.url_as("handoff_migrator")).await.expect("the migrator may");
    database.say_as("handoff_migrator", &after).expect("the migrator may");

    let url = database.url_as("handoff_writer");
    PostgresStore::migrate(&url).await.expect("the writer may look whether there is something to do");
    let store = PostgresStore::open(&url).await.expect("the writer may");
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent("ann").await;
    let id = driver.create("t-1", Channel::Chat, at(5)).await;
    driver.give(id, "ann", at(6)).await;
    driver.check().await;
    store.retire(at(0), at(100), 1_000).await.expect("the writer may");
    store.survey().await.expect("the writer may");

    let denied = |user: &str, statement: &str| {
        let error = database.say_as(user, statement).expect_err("it is not allowed");
        assert!(error.contains("permission denied"), "{statement}: {error}");
    };
    denied("handoff_writer", "CREATE TABLE mine (a int)");
    denied("handoff_writer", "UPDATE meta SET min_binary = '0'");
    denied("handoff_reader", "SELECT body FROM content");
    denied("handoff_reader", "SELECT content FROM whole_ticket");
    denied("handoff_reader", "DELETE FROM event");
    denied("handoff_reader", "SELECT drop_event_partitions(9223372036854775807)");
    denied("handoff_reader", "SELECT analyse_grown()");
    assert_eq!(database.say_as("handoff_reader", "SELECT count(*) FROM ticket").as_deref(), Ok("1"));
}

#[tokio::test]
async fn months_are_made_ahead_and_what_happens_now_is_in_its_month() {
    let database = Database::empty();
    let months = || {
        database.say(
            "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^event_[0-9]{6}$' AND relkind = 'r'",
        )
    };
    let ahead = database.say(
        "SELECT string_agg('event_' || to_char((now() AT TIME ZONE 'UTC') + make_interval(months => n), 'YYYYMM'), ' ' ORDER BY n) \
         FROM generate_series(0, 2) AS n",
    );
    assert_eq!(months(), ahead);
    let store = database.open().await;
    Driver::new(&store, &main_desk()).await;
    assert_eq!(database.say("SELECT count(*) > 0 FROM event_rest"), "t", "the tests' clock is in another time");
    let now = database.say("SELECT (extract(epoch FROM now()) * 1000000)::bigint");
    let insert = "INSERT INTO event (tenant, desk, seq, at, actor, ticket_seq, body) VALUES ('default', 'main', 999,";
    database.say(&format!("{insert} {now}, '\"caller\"', 0, '{{}}')"));
    let first = ahead.split(' ').next().expect("this month");
    assert_eq!(database.say(&format!("SELECT count(*) FROM {first}")), "1");
}

#[tokio::test]
async fn a_month_goes_as_a_whole_once_nothing_in_it_is_behind_what_stays() {
    let database = Database::empty();
    let store = database.open().await;
    Driver::new(&store, &main_desk()).await;
    database.say("DELETE FROM event");
    let make = "DO $$ BEGIN FOR m IN 1..3 LOOP EXECUTE format('CREATE TABLE event_20240%s PARTITION OF event FOR VALUES FROM (%s) TO (%s)', \
                m, month_start(make_date(2024, m, 1)), month_start(make_date(2024, m + 1, 1))); END LOOP; END $$";
    database.say(make);
    // Number 3 of the log was written in January and number 2 in February, as after a clock that was set back.
    for (seq, month) in [(1, 1), (2, 2), (3, 1), (4, 3)] {
        database.say(&format!(
            "INSERT INTO event (tenant, desk, seq, at, actor, ticket_seq, body) \
             VALUES ('default', 'main', {seq}, month_start(make_date(2024, {month}, 2)), '\"caller\"', 0, '{{}}')"
        ));
    }
    let left = || database.say("SELECT string_agg(seq::text, ' ' ORDER BY seq) FROM event");
    let start_of = |month: u8| -> i64 {
        database.say(&format!("SELECT month_start(make_date(2024, {month}, 1))")).parse().expect("a number")
    };
    let retire =
        async |before| store.retire(at(0), handoff::domain::time::Time(before), 100).await.expect("the store answers");
    retire(start_of(2)).await;
    assert_eq!(left(), "1 2 3 4", "January holds number 3, behind number 2 of February, which stays");
    database.say("DELETE FROM event WHERE seq = 2");
    assert_eq!(retire(start_of(2) - 1).await, 0, "January is not over");
    retire(start_of(2)).await;
    assert_eq!(left(), "4");
    retire(start_of(4)).await;
    assert_eq!(left(), "");
    assert_eq!(database.say("SELECT count(*) FROM pg_class WHERE relname LIKE 'event_2024%'"), "0");
}

/// A ticket is created; what becomes of that.
async fn create(store: &PostgresStore, name: &str) -> Result<(), Error> {
    let command = Command::CreateTicket(Box::new(new_ticket(name, Channel::Chat)));
    let committed = batch(store, vec![Call::new(&main_desk(), command)], at(9)).await?;
    committed.value.into_iter().next().expect("one answer").expect("it is created");
    Ok(())
}

#[tokio::test]
async fn what_may_pass_is_to_be_repeated_and_nothing_is_half_done() {
    let database = Database::empty();
    let store = database.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(5)).await;
    let head = async || store.head(&main_desk()).await.expect("the store answers").expect("the desk exists").0;
    let before = head().await;

    // Somebody holds the head of the log for longer than anybody waits.
    let mut other = sqlx::PgConnection::connect(&database.url()).await.expect("it is there");
    let hold = "BEGIN; SELECT 1 FROM desk_head FOR UPDATE";
    sqlx::raw_sql(hold).execute(&mut other).await.expect("it is free");
    assert!(matches!(create(&store, "locked").await, Err(Error::Undone)));
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("it is given back");
    assert_eq!(head().await, before);
    create(&store, "locked").await.expect("nobody has it any more");

    // Every connection is cut.
    other.close().await.expect("it is closed");
    database.say("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
    while let Err(error) = create(&store, "cut").await {
        assert!(matches!(error, Error::Away(_)), "{error:?}");
    }

    // The server only reads, as one does that is no longer the primary.
    let before = head().await;
    database.say(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name));
    let refused = refusal(&database.url()).await;
    assert!(refused.contains("only reads"), "{refused}");
    assert_eq!(head().await, before);
    let created = store.list_tickets(&main_desk(), &Default::default(), page(None, 10)).await.expect("it answers");
    assert_eq!(created.len(), 3);
}

#[tokio::test]
async fn what_the_schema_forbids_is_our_mistake_and_not_to_be_repeated() {
    let database = Database::empty();
    let store = database.open().await;
    Driver::new(&store, &main_desk()).await.create("warm-up", Channel::Chat, at(5)).await;
    database.say("ALTER TABLE ticket ADD CONSTRAINT none CHECK (name <> 'forbidden')");
    assert!(matches!(create(&store, "forbidden").await, Err(Error::Corrupt { .. })));
    database.say("ALTER TABLE content RENAME TO lost");
    assert!(matches!(create(&store, "lost").await, Err(Error::Corrupt { .. })));
}

#[tokio::test]
async fn over_tls_the_server_must_be_the_one_that_the_given_authority_vouches_for() {
    let own = Server::own();
    let database = own.database(None);
    let (ours, theirs) = (tls::certificates(), tls::certificates());
    let port = own.speak_tls(ours.path());
    let url = |folder: &Folder| {
        let ca = folder.path().join("ca.pem");
        let (name, ca) = (&database.name, ca.display());
        format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=verify-full&sslrootcert={ca}")
    };
    let trusted = url(&ours);
    PostgresStore::migrate(&trusted).await.expect("it is migrated");
    let store = PostgresStore::open(&trusted).await.expect("it opens");
    let mut beside = sqlx::PgConnection::connect(&trusted).await.expect("it is reached");
    let all_encrypted =
        "SELECT bool_and(s.ssl) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid) WHERE a.datname = $1";
    let encrypted: (bool,) =
        sqlx::query_as(all_encrypted).bind(&database.name).fetch_one(&mut beside).await.expect("told");
    assert!(encrypted.0);
    store.close().await;
    let refused = PostgresStore::open(&url(&theirs)).await.err().expect("of another authority");
    assert!(matches!(refused, Error::Away(_)), "{refused:?}");
    // Its socket is another one now: the folder goes with the process.
    std::mem::forget(database);
}
