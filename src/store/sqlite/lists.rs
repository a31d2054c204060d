//! Rows on the way into SQLite: one JSON list per table.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use sqlx::sqlite::SqliteArguments;

use super::statements::PUTS;
use crate::store::changes::{Changes, Rows};
use crate::store::session::Cell;
use crate::store::{Error, rows};

/// Rows of one table: a JSON list of what is searched, and beside it the bodies, which are neither escaped nor parsed again.
#[derive(Default)]
pub(super) struct Lists {
    list: Vec<u8>,
    bodies: Vec<u8>,
}

impl Rows for Lists {
    fn push(&mut self, row: &[Cell<'_>]) -> Result<(), Error> {
        self.list.push(if self.list.is_empty() { b'[' } else { b',' });
        write(&mut self.list, &Columns(row))
    }

    /// In the list the body is told by its place, from 1, and length.
    fn push_with(&mut self, row: &[Cell<'_>], body: &impl Serialize) -> Result<(), Error> {
        let start = self.bodies.len();
        write(&mut self.bodies, body)?;
        self.push(row)?;
        let bracket = self.list.pop();
        debug_assert_eq!(bracket, Some(b']'), "a row is a list");
        self.list.push(b',');
        write(&mut self.list, &(start + 1))?;
        self.list.push(b',');
        write(&mut self.list, &(self.bodies.len() - start))?;
        self.list.push(b']');
        Ok(())
    }
}

impl Lists {
    /// What a statement is given; `None`: there is nothing to write.
    pub fn into_parts(mut self) -> Result<Option<(String, Vec<u8>)>, Error> {
        if self.list.is_empty() {
            return Ok(None);
        }
        self.list.push(b']');
        let list = String::from_utf8(self.list).map_err(|error| rows::corrupt("list", error))?;
        Ok(Some((list, self.bodies)))
    }
}

fn write(to: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer(to, value).map_err(|error| rows::corrupt("row", error))
}

struct Columns<'r>(&'r [Cell<'r>]);

/// Flags are 0 and 1, ticket ids 32 hexadecimal digits.
impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for cell in self.0 {
            match cell {
                Cell::Text(text) => list.serialize_element(text)?,
                Cell::Int(number) => list.serialize_element(number)?,
                Cell::Flag(flag) => list.serialize_element(&u8::from(*flag))?,
                Cell::Ticket(ticket) => list.serialize_element(&ticket.map(|ticket| ticket.to_string()))?,
            }
        }
        list.end()
    }
}

/// What [`PUTS`] is given, unless there is nothing to write.
pub(super) fn arguments(changes: Changes<Lists>, heads_moved: Lists) -> Result<Option<SqliteArguments>, Error> {
    let tables = [
        changes.tickets,
        changes.contents,
        changes.legs,
        changes.offers,
        changes.conversations_touched,
        changes.conversations_held,
        changes.agents,
        changes.desks,
        changes.heads,
        changes.connectors,
        changes.lanes,
        changes.lanes_retired,
        changes.groups,
        changes.groups_retired,
        changes.policies,
        changes.answers,
        heads_moved,
        changes.events,
    ];
    let mut any = false;
    let mut lists = Vec::new();
    for table in tables {
        let part = table.into_parts()?;
        any |= part.is_some();
        lists.push(part.map(|(list, bodies)| (Some(list), Some(bodies))).unwrap_or_default());
    }
    any.then(|| PUTS.arguments(lists)).transpose()
}
