//! Reading desks, agents and tickets.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sqlx::SqlitePool;

use super::rows::{self, Whole};
use super::{scope, statements};
use crate::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, QueueId, TenantId, TicketId};
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::workset::Scope;
use crate::store::{Due, Error, Page, PolicyRow, TicketFilter};

/// Rows in one page, whatever was asked for.
const MAX_PAGE: u32 = 1_000;

fn limit<K>(page: &Page<K>) -> i64 {
    i64::from(page.limit.clamp(1, MAX_PAGE))
}

pub(super) async fn scopes(pool: &SqlitePool, desks: BTreeSet<DeskKey>) -> Result<Vec<Scope>, Error> {
    let mut transaction = pool.begin().await?;
    let found = scope::load(&mut transaction, &desks).await?;
    transaction.rollback().await?;
    Ok(found.into_values().collect())
}

pub(super) async fn list_desks(
    pool: &SqlitePool,
    tenant: &TenantId,
    page: Page<DeskId>,
) -> Result<BTreeSet<DeskKey>, Error> {
    let names: Vec<(String,)> = sqlx::query_as(statements::LIST_DESKS)
        .bind(tenant.as_str())
        .bind(page.after.as_ref().map_or("", DeskId::as_str))
        .bind(limit(&page))
        .fetch_all(pool)
        .await?;
    names.iter().map(|(desk,)| rows::desk_key(tenant.as_str(), desk)).collect()
}

pub(super) async fn all_desks(pool: &SqlitePool) -> Result<Vec<DeskKey>, Error> {
    let keys: Vec<(String, String)> = sqlx::query_as(statements::ALL_DESKS).fetch_all(pool).await?;
    keys.iter().map(|(tenant, desk)| rows::desk_key(tenant, desk)).collect()
}

pub(super) async fn head(pool: &SqlitePool, desk: &DeskKey) -> Result<Option<(u64, u64)>, Error> {
    let found: Option<(i64, i64)> = sqlx::query_as(statements::HEAD)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .fetch_optional(pool)
        .await?;
    found.map(|(head, epoch)| Ok((rows::unsigned("head", head)?, rows::unsigned("epoch", epoch)?))).transpose()
}

fn bodies<T: DeserializeOwned>(what: &'static str, bodies: Vec<(String,)>) -> Result<Vec<Arc<T>>, Error> {
    bodies.iter().map(|(body,)| rows::from_json(what, body).map(Arc::new)).collect()
}

pub(super) async fn agent<T: DeserializeOwned>(
    pool: &SqlitePool,
    desk: &DeskKey,
    agent: &AgentId,
) -> Result<Option<Arc<T>>, Error> {
    let wanted = [(desk.tenant.as_str(), desk.desk.as_str(), agent.as_str())];
    let found: Option<(String, String, String)> =
        sqlx::query_as(statements::LOAD_AGENTS).bind(rows::to_json("keys", &wanted)?).fetch_optional(pool).await?;
    found.map(|(_, _, body)| rows::from_json("agent", &body).map(Arc::new)).transpose()
}

pub(super) async fn agents<T: DeserializeOwned>(
    pool: &SqlitePool,
    desk: &DeskKey,
    deleted_too: bool,
    page: Page<AgentId>,
) -> Result<Vec<Arc<T>>, Error> {
    let found = sqlx::query_as(statements::LIST_AGENTS)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(page.after.as_ref().map_or("", AgentId::as_str))
        .bind(deleted_too)
        .bind(limit(&page))
        .fetch_all(pool)
        .await?;
    bodies("agent", found)
}

pub(super) async fn connectors<T: DeserializeOwned>(
    pool: &SqlitePool,
    desk: &DeskKey,
    page: Page<ConnectorId>,
) -> Result<Vec<Arc<T>>, Error> {
    let found = sqlx::query_as(statements::LIST_CONNECTORS)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(page.after.as_ref().map_or("", ConnectorId::as_str))
        .bind(limit(&page))
        .fetch_all(pool)
        .await?;
    bodies("connector", found)
}

fn whole(found: Vec<Whole>) -> Result<Vec<Arc<Ticket>>, Error> {
    found.into_iter().map(rows::ticket).collect()
}

pub(super) async fn ticket(pool: &SqlitePool, desk: &DeskKey, id: TicketId) -> Result<Option<Arc<Ticket>>, Error> {
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>);
    let wanted = [(desk.tenant.as_str(), desk.desk.as_str(), id.to_string())];
    let found: Option<Row> =
        sqlx::query_as(statements::LOAD_TICKETS).bind(rows::to_json("keys", &wanted)?).fetch_optional(pool).await?;
    found.map(|(_, _, body, content, legs, offers)| rows::ticket((body, content, legs, offers))).transpose()
}

pub(super) async fn tickets(
    pool: &SqlitePool,
    desk: &DeskKey,
    filter: &TicketFilter,
    page: Page<(Time, TicketId)>,
) -> Result<Vec<Arc<Ticket>>, Error> {
    if let Some(key) = &filter.conversation_key {
        return tickets_of_conversation(pool, desk, key, filter, &page).await;
    }
    let statement = match (&filter.owner, filter.state, filter.newest_first) {
        (Some(_), _, false) => statements::LIST_TICKETS_OF_OWNER,
        (Some(_), _, true) => statements::LIST_TICKETS_OF_OWNER_NEWEST,
        (None, Some(_), false) => statements::LIST_TICKETS_OF_STATE,
        (None, Some(_), true) => statements::LIST_TICKETS_OF_STATE_NEWEST,
        (None, None, false) => statements::LIST_TICKETS,
        (None, None, true) => statements::LIST_TICKETS_NEWEST,
    };
    let start = if filter.newest_first { (i64::MAX, "~") } else { (i64::MIN, "") };
    let after = page.after.map(|(time, id)| (time.micros(), id.to_string()));
    let (time, id) = after.as_ref().map_or(start, |(time, id)| (*time, id.as_str()));
    let found = sqlx::query_as(statement)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(time)
        .bind(id)
        .bind(filter.state.map(|state| state.word()))
        .bind(filter.channel.map(|channel| channel.word()))
        .bind(filter.queue.as_ref().map(QueueId::as_str))
        .bind(filter.connector.as_ref().map(ConnectorId::as_str))
        .bind(filter.owner.as_ref().map(AgentId::as_str))
        .bind(limit(&page))
        .fetch_all(pool)
        .await?;
    whole(found)
}

/// A conversation has a ticket per connector at most: these are sorted out here.
async fn tickets_of_conversation(
    pool: &SqlitePool,
    desk: &DeskKey,
    key: &str,
    filter: &TicketFilter,
    page: &Page<(Time, TicketId)>,
) -> Result<Vec<Arc<Ticket>>, Error> {
    let found = sqlx::query_as(statements::TICKETS_OF_CONVERSATION)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(key)
        .fetch_all(pool)
        .await?;
    let TicketFilter { state, channel, queue, connector, owner, conversation_key: _, newest_first } = filter;
    let place = |ticket: &Ticket| (ticket.create_time, ticket.id);
    let is_later = |ticket: &Ticket| {
        page.after.is_none_or(|after| if *newest_first { place(ticket) < after } else { place(ticket) > after })
    };
    let mut tickets = whole(found)?;
    tickets.retain(|ticket| {
        state.is_none_or(|state| ticket.state == state)
            && channel.is_none_or(|channel| ticket.channel == channel)
            && queue.as_ref().is_none_or(|queue| ticket.queue == *queue)
            && connector.as_ref().is_none_or(|connector| ticket.connector == *connector)
            && (owner.is_none() || ticket.owner == *owner)
            && is_later(ticket)
    });
    tickets.sort_by_key(|ticket| place(ticket));
    if *newest_first {
        tickets.reverse();
    }
    tickets.truncate(usize::try_from(limit(page)).unwrap_or(usize::MAX));
    Ok(tickets)
}

pub(super) async fn open_tickets(
    pool: &SqlitePool,
    desk: &DeskKey,
    page: Page<TicketId>,
) -> Result<Vec<Arc<Ticket>>, Error> {
    let found = sqlx::query_as(statements::OPEN_TICKETS)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(page.after.map_or_else(String::new, |after| after.to_string()))
        .bind(limit(&page))
        .fetch_all(pool)
        .await?;
    whole(found)
}

pub(super) async fn work_of(pool: &SqlitePool, desk: &DeskKey, agent: &AgentId) -> Result<Vec<Arc<Ticket>>, Error> {
    let found = sqlx::query_as(statements::WORK_OF)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(agent.as_str())
        .fetch_all(pool)
        .await?;
    whole(found)
}

pub(super) async fn ahead(pool: &SqlitePool, desk: &DeskKey, queue: &QueueId, key: &str) -> Result<u32, Error> {
    let (count,): (i64,) = sqlx::query_as(statements::AHEAD)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(queue.as_str())
        .bind(key)
        .fetch_one(pool)
        .await?;
    rows::unsigned("count of legs", count)
}

pub(super) async fn waiting_with_amounts(pool: &SqlitePool, desk: &DeskKey) -> Result<Vec<LegId>, Error> {
    let found: Vec<(String, i64)> = sqlx::query_as(statements::WAITING_WITH_AMOUNTS)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .fetch_all(pool)
        .await?;
    let leg = |(ticket, leg): (String, i64)| {
        Ok(LegId { ticket: rows::ticket_id(&ticket)?, leg: rows::unsigned("leg number", leg)? })
    };
    found.into_iter().map(leg).collect()
}

pub(super) async fn due_before(pool: &SqlitePool, now: Time, limit: u32) -> Result<Vec<Due>, Error> {
    let found: Vec<(bool, String, String, String)> =
        sqlx::query_as(statements::DUE_BEFORE).bind(now.micros()).bind(i64::from(limit)).fetch_all(pool).await?;
    let due = |(is_agent, tenant, desk, name): (bool, String, String, String)| {
        let desk = rows::desk_key(&tenant, &desk)?;
        if is_agent {
            let agent = AgentId::parse(&name).map_err(|error| rows::corrupt("agent id", error))?;
            return Ok(Due::Agent(desk, agent));
        }
        Ok(Due::Ticket(desk, rows::ticket_id(&name)?))
    };
    found.into_iter().map(due).collect()
}

pub(super) async fn next_due(pool: &SqlitePool) -> Result<Option<Time>, Error> {
    let (next,): (Option<i64>,) = sqlx::query_as(statements::NEXT_DUE).fetch_one(pool).await?;
    Ok(next.map(Time))
}

pub(super) async fn policy(pool: &SqlitePool, desk: &DeskKey, revision: u32) -> Result<Option<PolicyRow>, Error> {
    let found: Option<(String, String, String, i64)> = sqlx::query_as(statements::POLICY)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(i64::from(revision))
        .fetch_optional(pool)
        .await?;
    Ok(found.map(|(source, author, change_note, create_time)| PolicyRow {
        revision,
        source: Arc::from(source),
        author: Arc::from(author),
        change_note: Arc::from(change_note),
        create_time: Time(create_time),
    }))
}
