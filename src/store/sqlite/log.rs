//! Reading the log. Numbers are dense and become visible in order, so every read is bounded by a head that was read before it.

use std::sync::Arc;

use sqlx::SqlitePool;

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

/// Channels and kinds as the statements take them: lists, or null for all.
fn filters(selection: &Selection) -> Result<(Option<String>, Option<String>), Error> {
    let words: Vec<&str> = selection.channels.iter().copied().map(Channel::word).collect();
    let channels = (!words.is_empty()).then(|| rows::to_json("channels", &words)).transpose()?;
    let kinds = (!selection.kinds.is_empty()).then(|| rows::to_json("kinds", &selection.kinds)).transpose()?;
    Ok((channels, kinds))
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
    let (channels, kinds) = filters(selection)?;
    let statement = match selection.connector {
        Some(_) => statements::LOG_OF_CONNECTOR,
        None => statements::LOG_OF_DESK,
    };
    let mut query = sqlx::query_as(statement)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(rows::signed(after))
        .bind(rows::signed(head))
        .bind(channels)
        .bind(kinds)
        .bind(i64::from(limit));
    if let Some(connector) = &selection.connector {
        query = query.bind(connector.as_str());
    }
    let found: Vec<Row> = query.fetch_all(pool).await?;
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
    let (channels, kinds) = filters(selection)?;
    let statement = match selection.connector {
        Some(_) => statements::PENDING_OF_CONNECTOR,
        None => statements::PENDING_OF_DESK,
    };
    let mut query = sqlx::query_as(statement)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(rows::signed(after))
        .bind(rows::signed(head))
        .bind(channels)
        .bind(kinds)
        .bind(i64::from(most));
    if let Some(connector) = &selection.connector {
        query = query.bind(connector.as_str());
    }
    let (count, oldest): (i64, Option<i64>) = query.fetch_one(pool).await?;
    Ok((rows::unsigned("count of decisions", count)?, oldest.map(Time)))
}

pub(super) async fn last_matching(
    pool: &SqlitePool,
    desk: &DeskKey,
    selection: &Selection,
    upto: u64,
) -> Result<u64, Error> {
    let (channels, kinds) = filters(selection)?;
    let statement = match selection.connector {
        Some(_) => statements::LAST_OF_CONNECTOR,
        None => statements::LAST_OF_DESK,
    };
    let mut query = sqlx::query_as(statement)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(rows::signed(upto))
        .bind(channels)
        .bind(kinds);
    if let Some(connector) = &selection.connector {
        query = query.bind(connector.as_str());
    }
    let found: Option<(i64,)> = query.fetch_optional(pool).await?;
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
