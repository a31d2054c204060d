//! Where statements run: a connection or a pool of either database. What is bound and what is read is the same on both.

use std::future::Future;

use sqlx::FromRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::Error;
use crate::domain::id::TicketId;

/// One statement in the dialect of each database: the same parameters in the same order, the same columns.
pub(super) struct Statement {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// A value in a row, or a statement's parameter. Sets of keys go as text: a JSON list of lists.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Text(Option<&'a str>),
    Int(Option<i64>),
    Flag(bool),
    Ticket(Option<TicketId>),
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Cell<'a> {
        Cell::Text(Some(text))
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Cell::Int(Some(number))
    }
}

impl From<u32> for Cell<'_> {
    fn from(number: u32) -> Self {
        Cell::Int(Some(i64::from(number)))
    }
}

impl From<bool> for Cell<'_> {
    fn from(flag: bool) -> Self {
        Cell::Flag(flag)
    }
}

impl From<TicketId> for Cell<'_> {
    fn from(ticket: TicketId) -> Self {
        Cell::Ticket(Some(ticket))
    }
}

/// What a statement answers.
pub(super) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

pub(super) trait Session: Send {
    fn all<T: Row>(
        &mut self,
        statement: &Statement,
        cells: &[Cell<'_>],
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send;

    /// Answers how many rows were written.
    fn run(&mut self, statement: &Statement, cells: &[Cell<'_>]) -> impl Future<Output = Result<u64, Error>> + Send;

    fn first<T: Row>(
        &mut self,
        statement: &Statement,
        cells: &[Cell<'_>],
    ) -> impl Future<Output = Result<Option<T>, Error>> + Send {
        let all = self.all(statement, cells);
        async { Ok(all.await?.into_iter().next()) }
    }
}
