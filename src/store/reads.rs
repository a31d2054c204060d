//! Reading desks, agents and tickets, alike on both databases.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::rows::{self, Whole};
use super::session::{Cell, Session};
use super::statements;
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, QueueId, TenantId, TicketId};
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::store::{Due, Error, Page, PolicyRow, TicketFilter};

/// Rows in one page, whatever was asked for.
const MAX_PAGE: u32 = 1_000;

fn limit<K>(page: &Page<K>) -> i64 {
    i64::from(page.limit.clamp(1, MAX_PAGE))
}

/// The first two parameters of nearly every statement.
fn of(desk: &DeskKey) -> [Cell<'_>; 2] {
    [desk.tenant.as_str().into(), desk.desk.as_str().into()]
}

pub(super) async fn list_desks(
    db: &mut impl Session,
    tenant: &TenantId,
    page: Page<DeskId>,
) -> Result<BTreeSet<DeskKey>, Error> {
    let after = page.after.as_ref().map_or("", DeskId::as_str);
    let cells = [tenant.as_str().into(), after.into(), limit(&page).into()];
    let names: Vec<(String,)> = db.all(&statements::LIST_DESKS, &cells).await?;
    names.iter().map(|(desk,)| rows::desk_key(tenant.as_str(), desk)).collect()
}

pub(super) async fn all_desks(db: &mut impl Session) -> Result<Vec<DeskKey>, Error> {
    let keys: Vec<(String, String)> = db.all(&statements::ALL_DESKS, &[]).await?;
    keys.iter().map(|(tenant, desk)| rows::desk_key(tenant, desk)).collect()
}

pub(super) async fn head(db: &mut impl Session, desk: &DeskKey) -> Result<Option<(u64, u64)>, Error> {
    let found: Option<(i64, i64)> = db.first(&statements::HEAD, &of(desk)).await?;
    found.map(|(head, epoch)| Ok((rows::unsigned("head", head)?, rows::unsigned("epoch", epoch)?))).transpose()
}

pub(super) async fn heads(db: &mut impl Session) -> Result<Vec<(DeskKey, u64, u64)>, Error> {
    let found: Vec<(String, String, i64, i64)> = db.all(&statements::HEADS, &[]).await?;
    let read = |(tenant, desk, head, epoch): (String, String, i64, i64)| {
        Ok((rows::desk_key(&tenant, &desk)?, rows::unsigned("head", head)?, rows::unsigned("epoch", epoch)?))
    };
    found.into_iter().map(read).collect()
}

fn bodies<T: DeserializeOwned>(what: &'static str, bodies: Vec<(String,)>) -> Result<Vec<Arc<T>>, Error> {
    bodies.iter().map(|(body,)| rows::from_json(what, body).map(Arc::new)).collect()
}

pub(super) async fn agent(db: &mut impl Session, desk: &DeskKey, agent: &AgentId) -> Result<Option<Arc<Agent>>, Error> {
    let wanted = rows::to_json("keys", &[(desk.tenant.as_str(), desk.desk.as_str(), agent.as_str())])?;
    let found: Option<(String, String, String)> = db.first(&statements::LOAD_AGENTS, &[wanted.as_str().into()]).await?;
    found.map(|(_, _, body)| rows::from_json("agent", &body).map(Arc::new)).transpose()
}

pub(super) async fn agents(
    db: &mut impl Session,
    desk: &DeskKey,
    deleted_too: bool,
    page: Page<AgentId>,
) -> Result<Vec<Arc<Agent>>, Error> {
    let [tenant, key] = of(desk);
    let after = page.after.as_ref().map_or("", AgentId::as_str);
    let cells = [tenant, key, after.into(), deleted_too.into(), limit(&page).into()];
    bodies("agent", db.all(&statements::LIST_AGENTS, &cells).await?)
}

pub(super) async fn connectors(
    db: &mut impl Session,
    desk: &DeskKey,
    page: Page<ConnectorId>,
) -> Result<Vec<Arc<Connector>>, Error> {
    let [tenant, key] = of(desk);
    let after = page.after.as_ref().map_or("", ConnectorId::as_str);
    let cells = [tenant, key, after.into(), limit(&page).into()];
    bodies("connector", db.all(&statements::LIST_CONNECTORS, &cells).await?)
}

fn whole(found: Vec<Whole>) -> Result<Vec<Arc<Ticket>>, Error> {
    found.into_iter().map(rows::ticket).collect()
}

pub(super) async fn ticket(db: &mut impl Session, desk: &DeskKey, id: TicketId) -> Result<Option<Arc<Ticket>>, Error> {
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>);
    let wanted = rows::to_json("keys", &[(desk.tenant.as_str(), desk.desk.as_str(), id.to_string())])?;
    let found: Option<Row> = db.first(&statements::LOAD_TICKETS, &[wanted.as_str().into()]).await?;
    found.map(|(_, _, body, content, legs, offers)| rows::ticket((body, content, legs, offers))).transpose()
}

pub(super) async fn tickets(
    db: &mut impl Session,
    desk: &DeskKey,
    filter: &TicketFilter,
    page: Page<(Time, TicketId)>,
) -> Result<Vec<Arc<Ticket>>, Error> {
    if let Some(key) = &filter.conversation_key {
        return tickets_of_conversation(db, desk, key, filter, &page).await;
    }
    let statement = match (&filter.owner, filter.state, filter.newest_first) {
        (Some(_), _, false) => &statements::LIST_TICKETS_OF_OWNER,
        (Some(_), _, true) => &statements::LIST_TICKETS_OF_OWNER_NEWEST,
        (None, Some(_), false) => &statements::LIST_TICKETS_OF_STATE,
        (None, Some(_), true) => &statements::LIST_TICKETS_OF_STATE_NEWEST,
        (None, None, false) => &statements::LIST_TICKETS,
        (None, None, true) => &statements::LIST_TICKETS_NEWEST,
    };
    let start = if filter.newest_first { (i64::MAX, Uuid::max()) } else { (i64::MIN, Uuid::nil()) };
    let (time, id) = page.after.map_or((start.0, TicketId(start.1)), |(time, id)| (time.micros(), id));
    let [tenant, key] = of(desk);
    let cells = [
        tenant,
        key,
        time.into(),
        id.into(),
        Cell::Text(filter.state.map(|state| state.word())),
        Cell::Text(filter.channel.map(|channel| channel.word())),
        Cell::Text(filter.queue.as_ref().map(QueueId::as_str)),
        Cell::Text(filter.connector.as_ref().map(ConnectorId::as_str)),
        Cell::Text(filter.owner.as_ref().map(AgentId::as_str)),
        limit(&page).into(),
    ];
    whole(db.all(statement, &cells).await?)
}

/// A conversation has a ticket per connector at most: these are sorted out here.
async fn tickets_of_conversation(
    db: &mut impl Session,
    desk: &DeskKey,
    key: &str,
    filter: &TicketFilter,
    page: &Page<(Time, TicketId)>,
) -> Result<Vec<Arc<Ticket>>, Error> {
    let [tenant, desk] = of(desk);
    let found = db.all(&statements::TICKETS_OF_CONVERSATION, &[tenant, desk, key.into()]).await?;
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
    db: &mut impl Session,
    desk: &DeskKey,
    page: Page<TicketId>,
) -> Result<Vec<Arc<Ticket>>, Error> {
    let [tenant, key] = of(desk);
    let after = page.after.unwrap_or(TicketId(Uuid::nil()));
    whole(db.all(&statements::OPEN_TICKETS, &[tenant, key, after.into(), limit(&page).into()]).await?)
}

pub(super) async fn work_of(db: &mut impl Session, desk: &DeskKey, agent: &AgentId) -> Result<Vec<Arc<Ticket>>, Error> {
    let [tenant, desk] = of(desk);
    whole(db.all(&statements::WORK_OF, &[tenant, desk, agent.as_str().into()]).await?)
}

pub(super) async fn waiting_with_amounts(db: &mut impl Session, desk: &DeskKey) -> Result<Vec<LegId>, Error> {
    let found: Vec<(String, i64)> = db.all(&statements::WAITING_WITH_AMOUNTS, &of(desk)).await?;
    let leg = |(ticket, leg): (String, i64)| {
        Ok(LegId { ticket: rows::ticket_id(&ticket)?, leg: rows::unsigned("leg number", leg)? })
    };
    found.into_iter().map(leg).collect()
}

pub(super) async fn due_before(db: &mut impl Session, now: Time, limit: u32) -> Result<Vec<Due>, Error> {
    let found: Vec<(bool, String, String, String, i64)> =
        db.all(&statements::DUE_BEFORE, &[now.micros().into(), limit.into()]).await?;
    let due = |(is_agent, tenant, desk, name, _): (bool, String, String, String, i64)| {
        let desk = rows::desk_key(&tenant, &desk)?;
        if is_agent {
            let agent = AgentId::parse(&name).map_err(|error| rows::corrupt("agent id", error))?;
            return Ok(Due::Agent(desk, agent));
        }
        Ok(Due::Ticket(desk, rows::ticket_id(&name)?))
    };
    found.into_iter().map(due).collect()
}

pub(super) async fn next_due(db: &mut impl Session) -> Result<Option<Time>, Error> {
    let found: Option<(Option<i64>,)> = db.first(&statements::NEXT_DUE, &[]).await?;
    Ok(found.and_then(|(next,)| next).map(Time))
}

pub(super) async fn policy(db: &mut impl Session, desk: &DeskKey, revision: u32) -> Result<Option<PolicyRow>, Error> {
    let [tenant, desk] = of(desk);
    let found: Option<(String, String, String, i64)> =
        db.first(&statements::POLICY, &[tenant, desk, revision.into()]).await?;
    Ok(found.map(|(source, author, change_note, create_time)| PolicyRow {
        revision,
        source: Arc::from(source),
        author: Arc::from(author),
        change_note: Arc::from(change_note),
        create_time: Time(create_time),
    }))
}
