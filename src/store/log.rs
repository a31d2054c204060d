//! Reading the log. Numbers are dense and become visible in order, so every read is bounded by a head that was read before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rows::{self, Logged};
use super::session::{Cell, Session, Statement};
use super::{reads, statements};
use crate::domain::bucket::{Bucket, Shares};
use crate::domain::event::Entry;
use crate::domain::id::{ConnectorId, DeskKey, TicketId, TicketName};
use crate::domain::log::{LogRow, Selection};
use crate::domain::requirement::Channel;
use crate::domain::time::Time;
use crate::store::Error;

type Row = (
    i64,
    i64,
    String,
    Option<String>,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
);

/// What narrows a reader's selection, as the statements take it: channels and kinds as lists, or none for all.
struct Narrowed<'s> {
    channels: Option<String>,
    kinds: Option<String>,
    connector: Option<&'s ConnectorId>,
    shares: Option<String>,
}

/// No entry comes after it.
const NEVER: u64 = i64::MAX as u64;

/// A reader's part as the statements take it: what each bucket is read after, and each ticket apart. Buckets with a name that others
/// have are told too, for what has none is the rest's.
fn floors(shares: &Shares) -> BTreeMap<String, u64> {
    let others = shares.named.iter().map(|name| (Bucket::Named(name.clone()).to_string(), NEVER));
    let mut floors: BTreeMap<String, u64> = others.collect();
    floors.extend(shares.floors.iter().map(|(bucket, after)| (bucket.to_string(), *after)));
    floors.extend(shares.aside.iter().map(|(ticket, after)| (ticket.to_string(), after.unwrap_or(NEVER))));
    floors
}

impl<'s> Narrowed<'s> {
    fn of(selection: &'s Selection) -> Result<Narrowed<'s>, Error> {
        let words: Vec<&str> = selection.channels.iter().copied().map(Channel::word).collect();
        let channels = (!words.is_empty()).then(|| rows::to_json("channels", &words)).transpose()?;
        let kinds = (!selection.kinds.is_empty()).then(|| rows::to_json("kinds", &selection.kinds)).transpose()?;
        let part = |shares: &Arc<Shares>| rows::to_json("shares", &floors(shares));
        let shares = selection.shares.as_ref().map(part).transpose()?;
        Ok(Narrowed { channels, kinds, connector: selection.connector.as_ref(), shares })
    }

    /// The statement for the reader's connector, or the one for all, with what both take, in order: the desk, the numbers that
    /// bound it, channels and kinds, the limit, the connector, the reader's part.
    fn statement<'c>(
        &'c self,
        [of_connector, of_desk]: [&'static Statement; 2],
        desk: &'c DeskKey,
        bounds: &[u64],
        limit: Option<u32>,
    ) -> (&'static Statement, Vec<Cell<'c>>) {
        let mut cells: Vec<Cell<'c>> = vec![desk.tenant.as_str().into(), desk.desk.as_str().into()];
        cells.extend(bounds.iter().map(|bound| Cell::from(rows::signed(*bound))));
        cells.extend([Cell::Text(self.channels.as_deref()), Cell::Text(self.kinds.as_deref())]);
        cells.extend(limit.map(Cell::from));
        cells.extend(self.connector.map(|connector| Cell::from(connector.as_str())));
        cells.push(Cell::Text(self.shares.as_deref()));
        (if self.connector.is_some() { of_connector } else { of_desk }, cells)
    }
}

pub(super) async fn after(
    db: &mut impl Session,
    desk: &DeskKey,
    selection: &Selection,
    after: u64,
    limit: u32,
) -> Result<(Vec<LogRow>, u64), Error> {
    let head = reads::head(db, desk).await?.map_or(0, |(head, _)| head);
    if head <= after {
        return Ok((Vec::new(), head));
    }
    let narrowed = Narrowed::of(selection)?;
    let both = [&statements::LOG_OF_CONNECTOR, &statements::LOG_OF_DESK];
    let (statement, cells) = narrowed.statement(both, desk, &[after, head], Some(limit));
    let found: Vec<Row> = db.all(statement, &cells).await?;
    let found: Result<Vec<LogRow>, Error> = found.into_iter().map(log_row).collect();
    Ok((found?, head))
}

fn log_row(row: Row) -> Result<LogRow, Error> {
    let (seq, at, actor, ticket, ticket_seq, connector, channel, instance, side, body, name, content) = row;
    let entry = rows::entry((seq, at, actor, ticket, ticket_seq, connector, channel, instance, side, body))?;
    let name = name.map(|name| TicketName::parse(&name).map_err(|error| rows::corrupt("ticket name", error)));
    Ok(LogRow {
        entry: Arc::new(entry),
        ticket_name: name.transpose()?,
        content: content.as_deref().map(rows::content).transpose()?,
    })
}

pub(super) async fn pending(
    db: &mut impl Session,
    desk: &DeskKey,
    selection: &Selection,
    after: u64,
    most: u32,
) -> Result<(u32, Option<Time>), Error> {
    let head = reads::head(db, desk).await?.map_or(0, |(head, _)| head);
    let narrowed = Narrowed::of(selection)?;
    let both = [&statements::PENDING_OF_CONNECTOR, &statements::PENDING_OF_DESK];
    let (statement, cells) = narrowed.statement(both, desk, &[after, head], Some(most));
    let (count, oldest) = db.first::<(i64, Option<i64>)>(statement, &cells).await?.unwrap_or_default();
    Ok((rows::unsigned("count of decisions", count)?, oldest.map(Time)))
}

pub(super) async fn last_matching(
    db: &mut impl Session,
    desk: &DeskKey,
    selection: &Selection,
    upto: u64,
) -> Result<u64, Error> {
    let narrowed = Narrowed::of(selection)?;
    let both = [&statements::LAST_OF_CONNECTOR, &statements::LAST_OF_DESK];
    let (statement, cells) = narrowed.statement(both, desk, &[upto], None);
    let found: Option<(i64,)> = db.first(statement, &cells).await?;
    found.map_or(Ok(0), |(seq,)| rows::unsigned("seq", seq))
}

/// Halves the log: entries are in order of time as far as the clock was.
pub(super) async fn first_seq(db: &mut impl Session, desk: &DeskKey, since: Time) -> Result<u64, Error> {
    let (tenant, key) = (desk.tenant.as_str(), desk.desk.as_str());
    let bounds: Option<(Option<i64>, i64)> = db.first(&statements::EVENT_BOUNDS, &[tenant.into(), key.into()]).await?;
    let Some((oldest, head)) = bounds else { return Ok(1) };
    let (mut first, mut end) = (oldest.unwrap_or(head + 1), head + 1);
    while first < end {
        let middle = first + (end - first) / 2;
        let at: Option<(i64,)> = db.first(&statements::EVENT_AT, &[tenant.into(), key.into(), middle.into()]).await?;
        // An entry that is gone meanwhile was older than all that are left.
        if at.is_some_and(|(at,)| at >= since.micros()) {
            end = middle;
        } else {
            first = middle + 1;
        }
    }
    rows::unsigned("seq", first)
}

pub(super) async fn of_ticket(
    db: &mut impl Session,
    desk: &DeskKey,
    ticket: TicketId,
    after: u64,
    limit: u32,
) -> Result<Vec<Arc<Entry>>, Error> {
    let (tenant, key) = (desk.tenant.as_str(), desk.desk.as_str());
    let cells = [tenant.into(), key.into(), ticket.into(), rows::signed(after).into(), limit.into()];
    let found: Vec<Logged> = db.all(&statements::EVENTS_OF_TICKET, &cells).await?;
    found.into_iter().map(|row| rows::entry(row).map(Arc::new)).collect()
}

pub(super) async fn of_desk(
    db: &mut impl Session,
    desk: &DeskKey,
    after: u64,
    limit: u32,
) -> Result<Vec<Arc<Entry>>, Error> {
    let (tenant, key) = (desk.tenant.as_str(), desk.desk.as_str());
    let cells = [tenant.into(), key.into(), rows::signed(after).into(), limit.into()];
    let found: Vec<Logged> = db.all(&statements::EVENTS_AFTER, &cells).await?;
    found.into_iter().map(|row| rows::entry(row).map(Arc::new)).collect()
}
