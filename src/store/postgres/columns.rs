//! Rows on the way into PostgreSQL: one typed array per column, which `unnest` puts side by side again.
//!
//! Each value is written once, straight into the array's binary form: unlike a JSON list it is neither escaped here nor parsed
//! there, and a body of text is copied, not looked into.

use serde::Serialize;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::{Arguments as _, Encode, Postgres, Type};

use crate::store::changes::Rows;
use crate::store::session::Cell;
use crate::store::{Error, rows};

/// The object ids of a type and of arrays of it, the same in every PostgreSQL.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    element: u32,
    array: u32,
}

pub(super) const TEXT: Kind = Kind { element: 25, array: 1009 };
pub(super) const BIGINT: Kind = Kind { element: 20, array: 1016 };
pub(super) const BOOLEAN: Kind = Kind { element: 16, array: 1000 };
pub(super) const UUID: Kind = Kind { element: 2950, array: 2951 };

const NULL: i32 = -1;

/// Rows of one table.
#[derive(Default)]
pub(super) struct Columns {
    columns: Vec<Column>,
    count: usize,
}

struct Column {
    kind: Kind,
    count: usize,
    has_null: bool,
    /// Each value behind its length.
    values: Vec<u8>,
}

impl Column {
    fn of(kind: Kind) -> Column {
        Column { kind, count: 0, has_null: false, values: Vec::new() }
    }

    fn push(&mut self, value: Option<&[u8]>) -> Result<(), Error> {
        self.count += 1;
        match value {
            Some(value) => {
                self.values.extend_from_slice(&length(value.len())?.to_be_bytes());
                self.values.extend_from_slice(value);
            }
            None => {
                self.has_null = true;
                self.values.extend_from_slice(&NULL.to_be_bytes());
            }
        }
        Ok(())
    }

    fn push_json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        self.count += 1;
        let start = self.values.len();
        self.values.extend_from_slice(&NULL.to_be_bytes());
        serde_json::to_writer(&mut self.values, value).map_err(|error| rows::corrupt("row", error))?;
        let written = length(self.values.len() - start - NULL.to_be_bytes().len())?;
        self.values[start..start + 4].copy_from_slice(&written.to_be_bytes());
        Ok(())
    }
}

fn length(bytes: usize) -> Result<i32, Error> {
    i32::try_from(bytes).map_err(|error| rows::corrupt("value", error))
}

impl Columns {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn count(&self) -> u64 {
        self.count as u64
    }

    pub fn into_arguments(self) -> Result<PgArguments, Error> {
        let mut arguments = PgArguments::default();
        self.add_to(&mut arguments)?;
        Ok(arguments)
    }

    /// Behind what is there; columns of these kinds where there are no rows to tell them.
    pub fn add_as(mut self, kinds: &[Kind], arguments: &mut PgArguments) -> Result<(), Error> {
        if self.columns.is_empty() {
            self.columns = kinds.iter().copied().map(Column::of).collect();
        }
        self.add_to(arguments)
    }

    pub fn add_to(self, arguments: &mut PgArguments) -> Result<(), Error> {
        for column in self.columns {
            arguments.add(column).map_err(|error| rows::corrupt("arguments", error))?;
        }
        Ok(())
    }

    /// With a number behind them.
    pub fn into_arguments_and(self, number: i64) -> Result<PgArguments, Error> {
        let mut arguments = self.into_arguments()?;
        arguments.add(number).map_err(|error| rows::corrupt("arguments", error))?;
        Ok(arguments)
    }
}

impl Rows for Columns {
    fn push(&mut self, row: &[Cell<'_>]) -> Result<(), Error> {
        if self.columns.is_empty() {
            let kind = |cell: &Cell<'_>| match cell {
                Cell::Text(_) => TEXT,
                Cell::Int(_) => BIGINT,
                Cell::Flag(_) => BOOLEAN,
                Cell::Ticket(_) => UUID,
            };
            self.columns.extend(row.iter().map(kind).map(Column::of));
        }
        self.count += 1;
        for (column, cell) in self.columns.iter_mut().zip(row) {
            match cell {
                Cell::Text(text) => column.push(text.map(str::as_bytes))?,
                Cell::Int(number) => column.push(number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))?,
                Cell::Flag(flag) => column.push(Some(&[u8::from(*flag)]))?,
                Cell::Ticket(ticket) => column.push(ticket.as_ref().map(|ticket| ticket.0.as_bytes().as_slice()))?,
            }
        }
        Ok(())
    }

    fn push_with(&mut self, row: &[Cell<'_>], body: &impl Serialize) -> Result<(), Error> {
        self.push(row)?;
        if self.columns.len() == row.len() {
            self.columns.push(Column::of(TEXT));
        }
        self.columns[row.len()].push_json(body)
    }
}

impl Type<Postgres> for Column {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(TEXT.array))
    }
}

impl Encode<'_, Postgres> for Column {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.kind.array)))
    }

    /// One dimension, numbered from 1.
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&1_i32.to_be_bytes());
        buffer.extend_from_slice(&i32::from(self.has_null).to_be_bytes());
        buffer.extend_from_slice(&self.kind.element.to_be_bytes());
        buffer.extend_from_slice(&i32::try_from(self.count)?.to_be_bytes());
        buffer.extend_from_slice(&1_i32.to_be_bytes());
        buffer.extend_from_slice(&self.values);
        Ok(IsNull::No)
    }
}
