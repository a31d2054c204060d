//! SQL lives in files of the store, one per statement and dialect, each of them used.

use super::source::Source;
use super::{File, Finding, Rule, check_each, files};

const USED: Rule = Rule {
    name: "every .sql file is used",
    because: "a statement that nobody runs is read, migrated and believed by the next person",
    exceptions: USED_EXCEPTIONS,
};

const USED_EXCEPTIONS: &[(&str, &str)] = &[];

const TWINS: Rule = Rule {
    name: "every .sql file exists in each dialect",
    because: "the embedded store and the cluster's must do the same; a statement that one lacks shows only on the machine that \
              runs it",
    exceptions: TWINS_EXCEPTIONS,
};

const ONE_WRITER: &str =
    "SQLite has one writer: it locks no rows, takes no keys, and what it has in memory is never old";
const PARTITIONS: &str = "SQLite has no partitions: old entries go row by row";
const ROUND_TRIPS: &str =
    "PostgreSQL is asked once for what SQLite is asked statement by statement: each is a way over the network";
const SERVER: &str =
    "a file that one process owns has no server to look at, and no schema that somebody else has changed";

const TWINS_EXCEPTIONS: &[(&str, &str)] = &[
    ("src/store/sql/postgres/lock_agents.sql", ONE_WRITER),
    ("src/store/sql/postgres/lock_scopes.sql", ONE_WRITER),
    ("src/store/sql/postgres/lock_tickets.sql", ONE_WRITER),
    ("src/store/sql/postgres/touch_scopes.sql", ONE_WRITER),
    ("src/store/sql/postgres/begin.sql", ONE_WRITER),
    ("src/store/sql/postgres/take_answers.sql", ONE_WRITER),
    ("src/store/sql/postgres/free_answers.sql", ONE_WRITER),
    ("src/store/sql/postgres/make_partitions.sql", PARTITIONS),
    ("src/store/sql/postgres/drop_partitions.sql", PARTITIONS),
    ("src/store/sql/postgres/settings.sql", SERVER),
    ("src/store/sql/postgres/schema.sql", SERVER),
    ("src/store/sql/postgres/has_schema.sql", SERVER),
    (
        "src/store/sql/sqlite/mint_incarnation.sql",
        "PostgreSQL mints it in its first migration, so that the service needs no right to",
    ),
    (
        "src/store/sql/postgres/forget_yardstick.sql",
        "the yardstick of an embedded store has a folder of its own, which goes as a whole",
    ),
    ("migrations/postgres/0004_ties.sql", "SQLite's planner prefers a key's own index whatever the table's size"),
    ("migrations/postgres/0006_keys.sql", "the same"),
    ("src/store/sql/postgres/analyse_grown.sql", "the same"),
    ("src/store/sql/postgres/put_rows.sql", ROUND_TRIPS),
    ("src/store/sql/postgres/append.sql", ROUND_TRIPS),
    ("src/store/sql/sqlite/put_tickets.sql", ROUND_TRIPS),
    ("src/store/sql/sqlite/put_contents.sql", ROUND_TRIPS),
    ("src/store/sql/sqlite/put_legs.sql", ROUND_TRIPS),
    ("src/store/sql/sqlite/put_offers.sql", ROUND_TRIPS),
    ("src/store/sql/sqlite/put_agents.sql", ROUND_TRIPS),
    ("src/store/sql/sqlite/put_answers.sql", ROUND_TRIPS),
    ("src/store/sql/sqlite/move_heads.sql", ROUND_TRIPS),
    ("src/store/sql/sqlite/put_events.sql", ROUND_TRIPS),
];

const ONLY_IN_STORE: Rule = Rule {
    name: "only src/store holds SQL",
    because: "elsewhere it escapes the test that prepares every statement in both dialects, and knows tables that may move",
    exceptions: ONLY_IN_STORE_EXCEPTIONS,
};

const ONLY_IN_STORE_EXCEPTIONS: &[(&str, &str)] = &[];

/// Folders with one folder per dialect inside.
const DIALECT_FOLDERS: &[&str] = &["migrations", "src/store/sql"];

const VERBS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

#[test]
fn every_sql_file_is_used() {
    USED.enforce(check_used(&files("src/store/sql", "sql"), &files("src", "rs")));
    let migrations = files("migrations", "sql");
    let strays = migrations.iter().filter(|file| file.path.matches('/').count() != 2);
    let stray = |file: &File| Finding::new(&file.path, 1, "not of the form migrations/<dialect>/<number>_<name>.sql");
    USED.enforce(strays.map(stray).collect());
}

#[test]
fn every_sql_file_exists_in_each_dialect() {
    let check = |folder: &&str| check_twins(folder, &files(folder, "sql"));
    TWINS.enforce(DIALECT_FOLDERS.iter().flat_map(check).collect());
}

#[test]
fn only_the_store_holds_sql() {
    ONLY_IN_STORE.enforce(check_each(&files("src", "rs"), check_only_in_store));
}

/// A file is used if a string of the sources ends in its last folder and name, as `include_str!` needs it.
fn check_used(statements: &[File], sources: &[File]) -> Vec<Finding> {
    let read = sources.iter().flat_map(|file| Source::read(&file.path, &file.text).strings);
    let literals: Vec<String> = read.map(|literal| literal.text).filter(|text| text.ends_with(".sql")).collect();
    let unused = statements.iter().filter(|file| {
        let name = file.path.rsplit('/').take(2).collect::<Vec<_>>();
        let name = format!("{}/{}", name[1], name[0]);
        !literals.iter().any(|literal| literal.ends_with(&name) || name.ends_with(&format!("/{literal}")))
    });
    unused.map(|file| Finding::new(&file.path, 1, "no include_str! names this file")).collect()
}

fn check_twins(folder: &str, statements: &[File]) -> Vec<Finding> {
    let split = |file: &File| {
        let inside = file.path.strip_prefix(folder)?.strip_prefix('/')?;
        inside.split_once('/').map(|(dialect, name)| (dialect.to_owned(), name.to_owned()))
    };
    let present: Vec<(String, String)> = statements.iter().filter_map(split).collect();
    let mut dialects: Vec<&String> = present.iter().map(|(dialect, _)| dialect).collect();
    dialects.sort();
    dialects.dedup();
    let mut findings = Vec::new();
    for (dialect, name) in &present {
        for other in dialects.iter().filter(|other| **other != dialect) {
            if !present.contains(&((*other).clone(), name.clone())) {
                findings.push(Finding::new(&format!("{folder}/{dialect}/{name}"), 1, format!("missing in `{other}`")));
            }
        }
    }
    findings
}

fn check_only_in_store(path: &str, text: &str) -> Vec<Finding> {
    if path == "src/store.rs" || path.starts_with("src/store/") {
        return Vec::new();
    }
    let is_sql = |text: &str| {
        let mut words = text.split_whitespace();
        words.next().is_some_and(|first| VERBS.contains(&first)) && words.next().is_some()
    };
    let strings = Source::read(path, text).strings;
    let sql = strings.iter().filter(|literal| is_sql(&literal.text));
    sql.map(|literal| Finding::new(path, literal.line, "a string that begins like a statement")).collect()
}

#[test]
fn a_statement_nobody_includes_is_found() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let statements = [file("src/store/sql/sqlite/head.sql", ""), file("src/store/sql/sqlite/lost.sql", "")];
    let sources = [file("src/store/sqlite.rs", "// lost.sql\nconst A: &str = include_str!(\"sql/sqlite/head.sql\");")];
    let found = check_used(&statements, &sources);
    assert_eq!(found, [Finding::new("src/store/sql/sqlite/lost.sql", 1, "no include_str! names this file")]);
}

#[test]
fn a_statement_missing_in_one_dialect_is_found_once_there_are_two() {
    let file = |path: &str| File { path: format!("src/store/sql/{path}"), text: String::new() };
    assert!(check_twins("src/store/sql", &[file("sqlite/head.sql")]).is_empty());
    let both = [file("sqlite/head.sql"), file("sqlite/log.sql"), file("postgres/head.sql")];
    let found = check_twins("src/store/sql", &both);
    assert_eq!(found, [Finding::new("src/store/sql/sqlite/log.sql", 1, "missing in `postgres`")]);
}

#[test]
fn sql_outside_the_store_is_found() {
    let text = "a(\n\"\n  SELECT 1 FROM desk\"); b(\"UPDATE\"); c(\"INSERTED into\");";
    assert_eq!(check_only_in_store("src/engine/tailer.rs", text).len(), 1);
    assert!(check_only_in_store("src/store/sqlite/log.rs", text).is_empty());
}
