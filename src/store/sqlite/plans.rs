//! Tests of the statements themselves: each can be prepared, and the hot ones walk an index.

use sqlx::SqlSafeStr;
use sqlx::{Executor, Row, SqlStr};

use super::SqliteStore;
use super::statements::ALL as OWN;
use crate::clock::Clock;
use crate::store::statements::{self, ALL as SHARED};

/// A store in a folder of its own, removed in the end.
pub(super) struct Fresh(std::path::PathBuf);

impl Fresh {
    pub async fn open(name: &str) -> (Fresh, SqliteStore) {
        let path = std::env::temp_dir().join(format!("handoff-plans-{}-{name}", std::process::id()));
        let store = SqliteStore::open(&path, Clock::new(1)).await.expect("the store opens");
        (Fresh(path), store)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is ours");
    }
}

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    OWN.iter().copied().chain(SHARED.iter().map(|(name, statement)| (*name, statement.sqlite)))
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let (_place, store) = Fresh::open("prepare").await;
    for (name, statement) in all() {
        let prepared = store.writer.prepare(SqlStr::from_static(statement)).await;
        prepared.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A `SCAN` of a list given as JSON, or of rows gathered before, is what is meant; one of a table walks all of it.
#[tokio::test]
async fn no_hot_statement_walks_a_whole_table() {
    let (_place, store) = Fresh::open("plans").await;
    let may_walk = [statements::ALL_DESKS.sqlite, statements::INCARNATION.sqlite];
    let tables = [
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
        "instance",
        "bucket",
    ];
    for (name, statement) in all().filter(|(_, statement)| !may_walk.contains(statement)) {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")).into_sql_str();
        let plan =
            sqlx::query(explain).fetch_all(&store.writer).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        for step in &steps {
            let Some(rest) = step.strip_prefix("SCAN ") else { continue };
            let what = rest.split_whitespace().next().unwrap_or(rest);
            let is_list = rest.contains("VIRTUAL TABLE") || rest.contains("CONSTANT ROW");
            let is_table = tables.contains(&what) || what.len() == 1;
            assert!(is_list || !is_table, "{name} walks {what}:\n{}", steps.join("\n"));
        }
    }
}
