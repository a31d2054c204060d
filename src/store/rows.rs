//! Rows to and from columns and JSON. Nothing here reads or writes: values in, values out.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::event::{Actor, Body, Entry, Event, Route};
use crate::domain::id::{ConnectorId, DeskId, DeskKey, TenantId, TicketId};
use crate::domain::leg::{Leg, LegState};
use crate::domain::offer::Offer;
use crate::domain::requirement::Channel;
use crate::domain::ticket::{Content, Ticket, TicketState};
use crate::domain::time::Time;
use crate::routing::decide::leg_key;
use crate::store::Error;

/// A ticket's body, content, legs and offers, as `whole_ticket` has them.
pub(super) type Whole = (String, Option<String>, Option<String>, Option<String>);
/// An entry's columns: number, time, actor, ticket, ticket's number, connector, channel, instance, side connector, body.
pub(super) type Logged =
    (i64, i64, String, Option<String>, i64, Option<String>, Option<String>, Option<String>, Option<String>, String);

pub(super) fn corrupt(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Corrupt { what, source: source.into() }
}

pub(super) fn to_json(what: &'static str, value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| corrupt(what, error))
}

pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| corrupt(what, error))
}

/// Sequence numbers and the like, which never come near the sign.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned<N: TryFrom<i64>>(what: &'static str, number: i64) -> Result<N, Error> {
    N::try_from(number).map_err(|_| corrupt(what, format!("{number} is out of range")))
}

pub(super) fn desk_key(tenant: &str, desk: &str) -> Result<DeskKey, Error> {
    let tenant = TenantId::parse(tenant).map_err(|error| corrupt("tenant", error))?;
    let desk = DeskId::parse(desk).map_err(|error| corrupt("desk", error))?;
    Ok(DeskKey { tenant, desk })
}

pub(super) fn ticket_id(text: &str) -> Result<TicketId, Error> {
    Uuid::try_parse(text).map(TicketId).map_err(|error| corrupt("ticket id", error))
}

pub(super) fn connector_id(text: &str) -> Result<ConnectorId, Error> {
    ConnectorId::parse(text).map_err(|error| corrupt("connector id", error))
}

fn channel(word: &str) -> Result<Channel, Error> {
    let found = Channel::ALL.into_iter().find(|channel| channel.word() == word);
    found.ok_or_else(|| corrupt("channel", format!("there is no channel {word}")))
}

pub(super) fn ticket((body, content, legs, offers): Whole) -> Result<Arc<Ticket>, Error> {
    let mut ticket: Ticket = from_json("ticket", &body)?;
    if let Some(content) = content {
        ticket.content = Arc::new(from_json("content", &content)?);
    }
    let mut legs: Vec<Leg> = legs.map_or_else(|| Ok(Vec::new()), |legs| from_json("legs", &legs))?;
    legs.sort_by_key(|leg| leg.n);
    let mut offers: Vec<Offer> = offers.map_or_else(|| Ok(Vec::new()), |offers| from_json("offers", &offers))?;
    offers.sort_by_key(|offer| offer.id);
    for offer in offers {
        let leg = legs.iter_mut().find(|leg| leg.n == offer.id.leg.leg);
        let leg = leg.ok_or_else(|| corrupt("offer", format!("offer {} has no leg", offer.id)))?;
        leg.offers.push(offer);
    }
    ticket.legs = legs;
    Ok(Arc::new(ticket))
}

pub(super) fn content(text: &str) -> Result<Arc<Content>, Error> {
    from_json("content", text).map(Arc::new)
}

pub(super) fn entry(row: Logged) -> Result<Entry, Error> {
    let (seq, at, actor, ticket, ticket_seq, connector, channel_word, instance, side, body) = row;
    let route = match (connector, channel_word) {
        (Some(connector), Some(word)) => Some(Route {
            connector: connector_id(&connector)?,
            channel: channel(&word)?,
            instance: instance.map(Arc::from),
            side_connector: side.as_deref().map(connector_id).transpose()?,
        }),
        _ => None,
    };
    let actor: Actor = from_json("actor", &actor)?;
    let body: Body = from_json("event", &body)?;
    let ticket = ticket.as_deref().map(ticket_id).transpose()?;
    let ticket_seq = unsigned("ticket_seq", ticket_seq)?;
    let event = Event { at: Time(at), actor, ticket, ticket_seq, body };
    Ok(Entry { seq: unsigned("seq", seq)?, event, route })
}

/// 2: there is work on it, a wrap-up included; 1: resolved, and it may come back; 0: over.
pub(super) fn stage(ticket: &Ticket) -> u8 {
    match ticket.state {
        TicketState::Open | TicketState::Queued | TicketState::Assigned | TicketState::OnHold => 2,
        TicketState::Resolved | TicketState::Closed | TicketState::Cancelled if ticket.open_legs().next().is_some() => {
            2
        }
        TicketState::Resolved => 1,
        TicketState::Closed | TicketState::Cancelled => 0,
    }
}

/// The order key of a leg that waits. Worked out with every write of the ticket: its band may have changed.
pub(super) fn waiting_key(ticket: &Ticket, leg: &Leg) -> Option<String> {
    (leg.state == LegState::Waiting).then(|| leg_key(ticket, leg).to_hex())
}

/// Whether the leg waits and another set of limits may put it into another lane.
pub(super) fn waits_with_amount(leg: &Leg) -> bool {
    let mut needs = std::iter::once(&leg.requirement).chain(&leg.alternatives);
    leg.state == LegState::Waiting && needs.any(|need| need.authorities.values().any(Option::is_some))
}

/// Whether the offer books its agent: one that was taken does so until its leg is over.
pub(super) fn books(leg: &Leg, offer: &Offer) -> bool {
    leg.state.is_open() && offer.is_open()
}

pub(super) fn leg_word(state: LegState) -> &'static str {
    match state {
        LegState::Waiting => "waiting",
        LegState::Offered => "offered",
        LegState::Connecting => "connecting",
        LegState::Active => "active",
        LegState::Wrapping => "wrapping",
        LegState::Done => "done",
        LegState::Cancelled => "cancelled",
    }
}
