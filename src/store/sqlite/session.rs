//! Statements on SQLite's connections and pools.

use std::future::Future;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Executor, Sqlite, SqliteConnection, SqlitePool};

use crate::store::session::{Cell, Row, Session, Statement};
use crate::store::{Error, rows};

/// Flags are 0 and 1, ticket ids 32 hexadecimal digits.
fn arguments(cells: &[Cell<'_>]) -> Result<SqliteArguments, Error> {
    let mut arguments = SqliteArguments::default();
    for cell in cells {
        let added = match cell {
            Cell::Text(text) => arguments.add(*text),
            Cell::Int(number) => arguments.add(*number),
            Cell::Flag(flag) => arguments.add(*flag),
            Cell::Ticket(ticket) => arguments.add(ticket.map(|ticket| ticket.to_string())),
        };
        added.map_err(|error| rows::corrupt("arguments", error))?;
    }
    Ok(arguments)
}

async fn all<'e, T: Row>(
    executor: impl Executor<'e, Database = Sqlite>,
    statement: &'static str,
    arguments: Result<SqliteArguments, Error>,
) -> Result<Vec<T>, Error> {
    Ok(sqlx::query_as_with(statement, arguments?).fetch_all(executor).await?)
}

async fn run<'e>(
    executor: impl Executor<'e, Database = Sqlite>,
    statement: &'static str,
    arguments: Result<SqliteArguments, Error>,
) -> Result<u64, Error> {
    Ok(sqlx::query_with(statement, arguments?).execute(executor).await?.rows_affected())
}

impl Session for SqliteConnection {
    fn all<T: Row>(
        &mut self,
        statement: &Statement,
        cells: &[Cell<'_>],
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send {
        all(self, statement.sqlite, arguments(cells))
    }

    fn run(&mut self, statement: &Statement, cells: &[Cell<'_>]) -> impl Future<Output = Result<u64, Error>> + Send {
        run(self, statement.sqlite, arguments(cells))
    }
}

impl Session for &SqlitePool {
    fn all<T: Row>(
        &mut self,
        statement: &Statement,
        cells: &[Cell<'_>],
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send {
        all(*self, statement.sqlite, arguments(cells))
    }

    fn run(&mut self, statement: &Statement, cells: &[Cell<'_>]) -> impl Future<Output = Result<u64, Error>> + Send {
        run(*self, statement.sqlite, arguments(cells))
    }
}
