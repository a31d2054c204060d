//! Reading the log. Numbers are dense and become visible in order, so every read is bounded by a head that was read before it.

use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, SqlitePool};

use super::rows::{self, Logged};
use super::{reads, statements};
use crate::domain::event::Entry;
use crate::domain::id::{DeskKey, TicketId, TicketName};
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
    String,
    Option<String>,
    Option<String>,
);

/// A statement over what a reader selects: the one for its connector, or the one for all, with what both take, in order: the
/// desk, the numbers that bound it, channels and kinds as lists (null for all), the limit, the connector.
fn selecting(
    [of_connector, of_desk]: [&'static str; 2],
    desk: &DeskKey,
    selection: &Selection,
    bounds: &[u64],
    limit: Option<u32>,
) -> Result<(&'static str, SqliteArguments), Error> {
    let words: Vec<&str> = selection.channels.iter().copied().map(Channel::word).collect();
    let channels = (!words.is_empty()).then(|| rows::to_json("channels", &words)).transpose()?;
    let kinds = (!selection.kinds.is_empty()).then(|| rows::to_json("kinds", &selection.kinds)).transpose()?;
    let mut arguments = SqliteArguments::default();
    let bind = || -> Result<(), sqlx::error::BoxDynError> {
        arguments.add(desk.tenant.as_str())?;
        arguments.add(desk.desk.as_str())?;
        bounds.iter().try_for_each(|bound| arguments.add(rows::signed(*bound)))?;
        arguments.add(channels)?;
        arguments.add(kinds)?;
        limit.iter().try_for_each(|limit| arguments.add(i64::from(*limit)))?;
        selection.connector.iter().try_for_each(|connector| arguments.add(connector.as_str()))
    };
    bind().map_err(|error| rows::corrupt("selection", error))?;
    let statement = if selection.connector.is_some() { of_connector } else { of_desk };
    Ok((statement, arguments))
}

pub(super) async fn after(
    pool: &SqlitePool,
    desk: &DeskKey,
    selection: &Selection,
    after: u64,
    limit: u32,
) -> Result<(Vec<LogRow>, u64), Error> {
    let head = reads::head(pool, desk).await?.map_or(0, |(head, _)| head);
    if head <= after {
        return Ok((Vec::new(), head));
    }
    let both = [statements::LOG_OF_CONNECTOR, statements::LOG_OF_DESK];
    let (statement, arguments) = selecting(both, desk, selection, &[after, head], Some(limit))?;
    let found: Vec<Row> = sqlx::query_as_with(statement, arguments).fetch_all(pool).await?;
    let found: Result<Vec<LogRow>, Error> = found.into_iter().map(log_row).collect();
    Ok((found?, head))
}

fn log_row(row: Row) -> Result<LogRow, Error> {
    let (seq, at, actor, ticket, ticket_seq, connector, channel, side, body, name, content) = row;
    let entry = rows::entry((seq, at, actor, ticket, ticket_seq, connector, channel, side, body))?;
    let name = name.map(|name| TicketName::parse(&name).map_err(|error| rows::corrupt("ticket name", error)));
    Ok(LogRow {
        entry: Arc::new(entry),
        ticket_name: name.transpose()?,
        content: content.as_deref().map(rows::content).transpose()?,
    })
}

pub(super) async fn pending(
    pool: &SqlitePool,
    desk: &DeskKey,
    selection: &Selection,
    after: u64,
    most: u32,
) -> Result<(u32, Option<Time>), Error> {
    let head = reads::head(pool, desk).await?.map_or(0, |(head, _)| head);
    let both = [statements::PENDING_OF_CONNECTOR, statements::PENDING_OF_DESK];
    let (statement, arguments) = selecting(both, desk, selection, &[after, head], Some(most))?;
    let (count, oldest): (i64, Option<i64>) = sqlx::query_as_with(statement, arguments).fetch_one(pool).await?;
    Ok((rows::unsigned("count of decisions", count)?, oldest.map(Time)))
}

pub(super) async fn last_matching(
    pool: &SqlitePool,
    desk: &DeskKey,
    selection: &Selection,
    upto: u64,
) -> Result<u64, Error> {
    let both = [statements::LAST_OF_CONNECTOR, statements::LAST_OF_DESK];
    let (statement, arguments) = selecting(both, desk, selection, &[upto], None)?;
    let found: Option<(i64,)> = sqlx::query_as_with(statement, arguments).fetch_optional(pool).await?;
    found.map_or(Ok(0), |(seq,)| rows::unsigned("seq", seq))
}

/// Halves the log: entries are in order of time as far as the clock was.
pub(super) async fn first_seq(pool: &SqlitePool, desk: &DeskKey, since: Time) -> Result<u64, Error> {
    let bounds: Option<(Option<i64>, i64)> = sqlx::query_as(statements::EVENT_BOUNDS)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .fetch_optional(pool)
        .await?;
    let Some((oldest, head)) = bounds else { return Ok(1) };
    let (mut first, mut end) = (oldest.unwrap_or(head + 1), head + 1);
    while first < end {
        let middle = first + (end - first) / 2;
        let at: Option<(i64,)> = sqlx::query_as(statements::EVENT_AT)
            .bind(desk.tenant.as_str())
            .bind(desk.desk.as_str())
            .bind(middle)
            .fetch_optional(pool)
            .await?;
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
    pool: &SqlitePool,
    desk: &DeskKey,
    ticket: TicketId,
    after: u64,
    limit: u32,
) -> Result<Vec<Arc<Entry>>, Error> {
    let found: Vec<Logged> = sqlx::query_as(statements::EVENTS_OF_TICKET)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(ticket.to_string())
        .bind(rows::signed(after))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    found.into_iter().map(|row| rows::entry(row).map(Arc::new)).collect()
}

pub(super) async fn of_desk(
    pool: &SqlitePool,
    desk: &DeskKey,
    after: u64,
    limit: u32,
) -> Result<Vec<Arc<Entry>>, Error> {
    let found: Vec<Logged> = sqlx::query_as(statements::EVENTS_AFTER)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(rows::signed(after))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    found.into_iter().map(|row| rows::entry(row).map(Arc::new)).collect()
}
