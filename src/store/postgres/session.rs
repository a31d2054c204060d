//! Statements on PostgreSQL's connections and pools.

use std::future::Future;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo};
use sqlx::{Arguments as _, Encode, Executor, FromRow, PgConnection, PgPool, Postgres, Type};

use crate::domain::id::TicketId;
use crate::store::session::{Cell, Row, Session, Statement};
use crate::store::{Error, rows};

const UUID: Oid = Oid(2950);

struct Id(TicketId);

impl Type<Postgres> for Id {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUID)
    }
}

impl Encode<'_, Postgres> for Id {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.0.as_bytes());
        Ok(IsNull::No)
    }
}

pub(super) fn arguments(cells: &[Cell<'_>]) -> Result<PgArguments, Error> {
    let mut arguments = PgArguments::default();
    for cell in cells {
        let added = match cell {
            Cell::Text(text) => arguments.add(*text),
            Cell::Int(number) => arguments.add(*number),
            Cell::Flag(flag) => arguments.add(*flag),
            Cell::Ticket(ticket) => arguments.add(ticket.map(Id)),
        };
        added.map_err(|error| rows::corrupt("arguments", error))?;
    }
    Ok(arguments)
}

pub(super) async fn all<'e, T>(
    executor: impl Executor<'e, Database = Postgres>,
    statement: &'static str,
    arguments: Result<PgArguments, Error>,
) -> Result<Vec<T>, Error>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    Ok(sqlx::query_as_with(statement, arguments?).fetch_all(executor).await?)
}

pub(super) async fn run<'e>(
    executor: impl Executor<'e, Database = Postgres>,
    statement: &'static str,
    arguments: Result<PgArguments, Error>,
) -> Result<u64, Error> {
    Ok(sqlx::query_with(statement, arguments?).execute(executor).await?.rows_affected())
}

impl Session for PgConnection {
    fn all<T: Row>(
        &mut self,
        statement: &Statement,
        cells: &[Cell<'_>],
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send {
        all(self, statement.postgres, arguments(cells))
    }

    fn run(&mut self, statement: &Statement, cells: &[Cell<'_>]) -> impl Future<Output = Result<u64, Error>> + Send {
        run(self, statement.postgres, arguments(cells))
    }
}

impl Session for &PgPool {
    fn all<T: Row>(
        &mut self,
        statement: &Statement,
        cells: &[Cell<'_>],
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send {
        all(*self, statement.postgres, arguments(cells))
    }

    fn run(&mut self, statement: &Statement, cells: &[Cell<'_>]) -> impl Future<Output = Result<u64, Error>> + Send {
        run(*self, statement.postgres, arguments(cells))
    }
}
