//! Events of a ticket as a whole: birth, place, hold, escalation, transfer, end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{due, legs, settle, ticket_mut};
use crate::domain::event::{Birth, Body, Event, NewLeg, TicketChange};
use crate::domain::id::{ConnectorId, QueueId, TicketId, TicketName};
use crate::domain::offer::{OfferEnd, OfferState, RevokeReason};
use crate::domain::requirement::{Band, Channel, Requirement};
use crate::domain::ticket::{
    Axis, CancelReason, Content, Infeasibility, Placing, Ticket, TicketState, TransferState, Visit,
};
use crate::domain::time::{Span, Time};
use crate::routing::workset::WorkingSet;

pub(super) fn create(
    ws: &mut WorkingSet<'_>,
    id: TicketId,
    event: &Event,
    birth: &Birth,
    leg: Option<&NewLeg>,
    content: Option<Arc<Content>>,
) {
    let mut row = born(id, event.at, birth);
    row.content = content.unwrap_or_default();
    for key in &row.content.conversation_keys {
        ws.conversations.insert((birth.connector.clone(), key.clone()), Arc::new(Some(id)));
    }
    match leg {
        Some(leg) => enqueue(ws, &mut row, leg, event.at),
        None => row.customer_turn_since = Some(event.at),
    }
    row.next_due_at = due::of_ticket(&row);
    ws.tickets.insert(id, Arc::new(row));
    settle(ws, id, event);
}

fn enqueue(ws: &mut WorkingSet<'_>, row: &mut Ticket, leg: &NewLeg, at: Time) {
    row.enqueue_time.get_or_insert(at);
    if let Some(waiting) = ws.waiting.get_mut(&row.queue) {
        *waiting += 1;
    }
    let mut leg = legs::begin(leg, at);
    match row.legs.iter_mut().find(|known| known.n == leg.n) {
        // The numbers are used up: a leg that was over waits again, and its offers keep their names.
        Some(known) => {
            leg.ver = known.ver + 1;
            leg.offers = std::mem::take(&mut known.offers);
            for taken in leg.offers.iter_mut().filter(|offer| offer.is_open()) {
                // Whoever had the leg before does not have it now.
                taken.state = OfferState::Revoked;
                taken.end = Some(OfferEnd::Revoked(RevokeReason::Superseded));
            }
            *known = leg;
        }
        None => row.legs.push(leg),
    }
}

fn born(id: TicketId, at: Time, birth: &Birth) -> Ticket {
    Ticket {
        id,
        name: birth.name.clone(),
        ver: 0,
        ticket_seq: 0,
        connector: birth.connector.clone(),
        instance: birth.instance.clone(),
        follows_instance: birth.follows_instance,
        channel: birth.channel,
        state: TicketState::Open,
        policy_rev: birth.policy_rev,
        queue: birth.queue.clone(),
        band_asked: birth.band_asked,
        band: birth.band,
        priority_asked: birth.priority_asked,
        priority: birth.priority,
        category: birth.category.clone(),
        language: birth.language.clone(),
        parent: birth.parent.clone(),
        requirement: birth.requirement.clone(),
        effective: birth.effective.clone(),
        preferred: birth.preferred.clone(),
        arrival_time: birth.arrival_time,
        enqueue_time: None,
        schedule_time: birth.schedule_time,
        customer_turn: Span::ZERO,
        customer_turn_since: None,
        owner: None,
        functional_level: 0,
        hierarchical_level: 0,
        hops: 0,
        visits: Vec::new(),
        transfers: Vec::new(),
        hold: None,
        resolution: None,
        cancel_reason: None,
        tombstone: false,
        infeasibility: None,
        quarantines: BTreeMap::new(),
        unassigned_due: Some(birth.unassigned_due),
        terminal_visits: 0,
        close_due: None,
        create_time: at,
        update_time: at,
        answer_time: None,
        resolve_time: None,
        close_time: None,
        next_due_at: None,
        content: Arc::default(),
        legs: Vec::new(),
    }
}

pub(super) fn tombstone(
    id: TicketId,
    at: Time,
    name: &TicketName,
    connector: &ConnectorId,
    channel: Channel,
    queue: &QueueId,
    reason: CancelReason,
) -> Ticket {
    let birth = Birth {
        name: name.clone(),
        connector: connector.clone(),
        instance: Arc::from(""),
        follows_instance: false,
        channel,
        policy_rev: 0,
        queue: queue.clone(),
        band_asked: None,
        band: Band::Live,
        priority_asked: None,
        priority: 0,
        category: Arc::from(""),
        language: Arc::from(""),
        parent: None,
        requirement: Requirement::default(),
        effective: Requirement::default(),
        preferred: Vec::new(),
        arrival_time: at,
        schedule_time: None,
        unassigned_due: at,
    };
    let mut row = born(id, at, &birth);
    row.state = TicketState::Cancelled;
    row.cancel_reason = Some(reason);
    row.close_time = Some(at);
    row.tombstone = true;
    row
}

pub(super) fn apply(ws: &mut WorkingSet<'_>, id: TicketId, event: &Event) {
    let at = event.at;
    match &event.body {
        Body::Queued { leg, place, unassigned_due, .. } => {
            let mut row = ticket_mut(ws, id).clone();
            queued(&mut row, place.as_deref(), *unassigned_due, at);
            enqueue(ws, &mut row, leg, at);
            ws.tickets.insert(id, Arc::new(row));
        }
        Body::Accepted { confirm_expire_time: None, .. } | Body::Confirmed { .. } | Body::Placed { .. } => {
            answered(ticket_mut(ws, id), at);
        }
        Body::LegEnded { keep_due, .. } => {
            let row = ticket_mut(ws, id);
            row.unassigned_due = row.unassigned_due.or(*keep_due);
        }
        Body::WrapUpFinished { keep_due, content, .. } => {
            let row = ticket_mut(ws, id);
            row.unassigned_due = row.unassigned_due.or(*keep_due);
            row.content = content.clone().unwrap_or_else(|| row.content.clone());
        }
        Body::Infeasible { infeasibility, leg } => diagnosed(ticket_mut(ws, id), *leg, *infeasibility, at),
        Body::Updated { change, content } => update(ticket_mut(ws, id), change, content.as_ref()),
        Body::Held { hold } => {
            let row = ticket_mut(ws, id);
            row.state = TicketState::OnHold;
            row.hold = Some(hold.as_ref().clone());
            row.customer_turn_since = Some(at);
        }
        Body::Resumed {} => {
            let row = ticket_mut(ws, id);
            row.state = TicketState::Open;
            row.hold = None;
            customer_turn_over(row, at);
        }
        Body::Quarantined { connector, from, .. } => {
            ticket_mut(ws, id).quarantines.insert(connector.clone(), *from);
        }
        Body::Released { connector } => {
            ticket_mut(ws, id).quarantines.remove(connector);
        }
        Body::Visited { visit } => remember(ticket_mut(ws, id), std::slice::from_ref(visit.as_ref())),
        Body::Escalated { .. } | Body::TransferStarted { .. } | Body::TransferMoved { .. } => {
            moved(ticket_mut(ws, id), &event.body, at);
        }
        Body::Resolved { .. } | Body::Reopened { .. } | Body::Closed {} | Body::Cancelled { .. } => {
            ended(ws, id, &event.body, at);
        }
        _ => {}
    }
}

/// A transfer to a need waits this long for somebody who is absent, then goes back.
const ABSENT_RETURN: Span = Span::from_secs(60);

fn diagnosed(row: &mut Ticket, leg: u8, infeasibility: Option<Infeasibility>, at: Time) {
    row.infeasibility = infeasibility;
    let absent = infeasibility == Some(Infeasibility::Absent);
    for transfer in row.transfers.iter_mut().filter(|transfer| transfer.state.is_open() && transfer.leg == leg) {
        transfer.absent_due = absent.then_some(at + ABSENT_RETURN);
    }
}

fn queued(row: &mut Ticket, place: Option<&Placing>, unassigned_due: Option<Time>, at: Time) {
    row.state = TicketState::Open;
    row.infeasibility = None;
    row.schedule_time = None;
    row.unassigned_due = unassigned_due;
    customer_turn_over(row, at);
    if let Some(place) = place {
        put(row, place);
    }
}

fn put(row: &mut Ticket, place: &Placing) {
    row.queue = place.queue.clone();
    row.band = place.band;
    row.priority = place.priority;
    row.effective = place.effective.clone();
    row.terminal_visits = row.terminal_visits.saturating_add(u8::from(place.terminal));
}

/// The oldest visits are forgotten first.
fn remember(row: &mut Ticket, visits: &[Visit]) {
    row.visits.extend(visits.iter().cloned());
    let surplus = row.visits.len().saturating_sub(Ticket::MAX_VISITS);
    row.visits.drain(..surplus);
}

fn customer_turn_over(row: &mut Ticket, at: Time) {
    if let Some(since) = row.customer_turn_since.take() {
        row.customer_turn += at - since;
    }
}

fn answered(row: &mut Ticket, at: Time) {
    row.answer_time.get_or_insert(at);
    let handler = row.handler().cloned();
    row.owner = row.owner.take().or(handler);
    row.infeasibility = None;
}

fn update(row: &mut Ticket, change: &TicketChange, content: Option<&Arc<Content>>) {
    let TicketChange {
        queue,
        band,
        priority_asked,
        priority,
        category,
        language,
        requirement,
        effective,
        schedule_time,
        fields: _,
    } = change.clone();
    row.queue = queue.unwrap_or_else(|| row.queue.clone());
    row.band = band.unwrap_or(row.band);
    row.priority_asked = priority_asked.unwrap_or(row.priority_asked);
    row.priority = priority.unwrap_or(row.priority);
    row.category = category.unwrap_or_else(|| row.category.clone());
    row.language = language.unwrap_or_else(|| row.language.clone());
    row.requirement = requirement.unwrap_or_else(|| row.requirement.clone());
    row.effective = effective.unwrap_or_else(|| row.effective.clone());
    row.schedule_time = schedule_time.unwrap_or(row.schedule_time);
    if let Some(content) = content {
        row.content = content.clone();
    }
}

fn moved(row: &mut Ticket, body: &Body, at: Time) {
    match body {
        // The hand-over that follows says where the ticket is put, and remembers where it was.
        Body::Escalated { axis, level, hops, content, .. } => {
            match axis {
                Axis::Functional => row.functional_level = *level,
                Axis::Hierarchical => row.hierarchical_level = *level,
            }
            row.hops = *hops;
            row.content = content.clone().unwrap_or_else(|| row.content.clone());
        }
        Body::TransferStarted { transfer, place, visits, content } => {
            put(row, place);
            remember(row, visits);
            row.transfers.push(transfer.as_ref().clone());
            row.content = content.clone().unwrap_or_else(|| row.content.clone());
        }
        Body::TransferMoved { transfer, state, to_agent, hops, visits } => {
            row.hops = *hops;
            remember(row, visits);
            let missed = matches!(state, TransferState::Returned | TransferState::Failed | TransferState::Cancelled);
            if let Some(known) = row.transfers.iter().find(|known| known.n == *transfer && missed) {
                // Whoever holds the ticket holds it with the needs it had, not with those of a target that never took it.
                let before = known.before.clone();
                put(row, &before);
            }
            for known in row.transfers.iter_mut().filter(|known| known.n == *transfer) {
                known.state = *state;
                known.to_agent = to_agent.clone().or_else(|| known.to_agent.clone());
                known.hop = *hops;
                known.end_time = (!state.is_open()).then_some(at);
                known.absent_due = None;
            }
        }
        _ => {}
    }
}

fn ended(ws: &mut WorkingSet<'_>, id: TicketId, body: &Body, at: Time) {
    let row = ticket_mut(ws, id);
    match body {
        Body::Resolved { resolution, close_due, content } => {
            row.state = TicketState::Resolved;
            row.resolution = Some(resolution.as_ref().clone());
            row.resolve_time = Some(at);
            row.close_due = Some(*close_due);
            row.customer_turn_since = row.customer_turn_since.or(Some(at));
            row.hold = None;
            row.content = content.clone().unwrap_or_else(|| row.content.clone());
        }
        Body::Reopened { unassigned_due, .. } => {
            row.state = TicketState::Open;
            row.resolve_time = None;
            row.close_due = None;
            row.unassigned_due = Some(*unassigned_due);
            customer_turn_over(row, at);
        }
        Body::Closed {} => {
            row.state = TicketState::Closed;
            row.close_time = Some(at);
            // It gave its conversation keys up when it was resolved; another ticket may have them by now.
            return;
        }
        Body::Cancelled { reason } => {
            row.state = TicketState::Cancelled;
            row.cancel_reason = Some(*reason);
            row.close_time = Some(at);
            row.hold = None;
        }
        _ => {}
    }
    let over = !row.state.is_open();
    let connector = row.connector.clone();
    let keys = row.content.conversation_keys.clone();
    for key in keys {
        let key = (connector.clone(), key);
        // Another ticket may have taken the key since this one was resolved: it is not this one's to free, or to take back.
        let holder = ws.conversations.get(&key).and_then(|held| *held.as_ref());
        if holder.is_none_or(|holder| holder == id) {
            let held_by = if over { None } else { Some(id) };
            ws.conversations.insert(key, Arc::new(held_by));
        }
    }
}
