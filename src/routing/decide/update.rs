//! UpdateTicket: what a connector or an agent learnt since. Moves the order key, never the age.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Draft;
use super::place::{lane_of, order_in};
use super::resolve::check_etag;
use crate::domain::event::{Body, TicketChange};
use crate::domain::id::{LaneNo, TicketId};
use crate::domain::leg::LegState;
use crate::domain::offer::RevokeReason;
use crate::domain::requirement::Requirement;
use crate::domain::ticket::{Content, Ticket, TicketState};
use crate::domain::time::Time;
use crate::policy::classify::{Class, DEFAULT_PRIORITY, stricter};
use crate::policy::condition::Facts;
use crate::routing::command::{Answer, TicketPatch};
use crate::routing::decide::place::{Next, queue_again};
use crate::routing::reject::{Reject, Violation};

pub(super) fn decide(
    draft: &mut Draft<'_>,
    id: TicketId,
    patch: &TicketPatch,
    reclassify: bool,
    etag: Option<u64>,
) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    check_etag(&ticket, etag)?;
    if !ticket.state.is_open() {
        return Err(Reject::TicketState { state: ticket.state, needed: "only an open ticket is updated" });
    }
    check(draft, &ticket, patch)?;
    if ticket.open_transfer().is_some() && (patch.requirement.is_some() || reclassify) {
        let needed = "a hand-over is under way: what it asks for is said by its target";
        return Err(Reject::TicketState { state: ticket.state, needed });
    }
    let content = content(&ticket, patch);
    let change = change(draft, &ticket, patch, reclassify, content.as_deref());
    let moves = plan_move(draft, &ticket, &change)?;
    draft.emit(id, Body::Updated { change: Box::new(change), content });
    if let Some((leg, lane, requirement, order_time)) = moves {
        let ticket = draft.ticket(id)?;
        let row = ticket.leg(leg).expect("the leg was planned from it");
        if row.state != LegState::Waiting && lane != row.lane {
            // Whoever is being rung was chosen for needs that no longer hold. Whoever has accepted keeps it.
            for offer in row.pending_offers().map(|offer| offer.id).collect::<Vec<_>>() {
                super::offers::revoke(draft, offer, RevokeReason::Superseded);
            }
        }
        draft.emit(id, Body::LegMoved { leg, lane, requirement, order_time });
    }
    unpark(draft, id)?;
    Ok(Answer::Ticket { ticket: id })
}

fn check(draft: &Draft<'_>, ticket: &Ticket, patch: &TicketPatch) -> Result<(), Reject> {
    let policy = draft.policy(ticket);
    let need = patch.requirement.clone().unwrap_or_default();
    let category = patch.category.clone().unwrap_or_else(|| Arc::from(""));
    let named = |violation: Violation| Violation { field: format!("ticket.{}", violation.field), ..violation };
    let mut violations: Vec<Violation> =
        super::create::check_needs(&policy, &need, &category).into_iter().map(named).collect();
    if patch.schedule_time.is_some() && ticket.state != TicketState::Open {
        let description = "only a parked ticket (OPEN) is scheduled anew".to_owned();
        violations.push(Violation { field: "ticket.schedule_time".into(), description });
    }
    if violations.is_empty() { Ok(()) } else { Err(Reject::Invalid(violations)) }
}

fn content(ticket: &Ticket, patch: &TicketPatch) -> Option<Arc<Content>> {
    let mut content = ticket.content.as_ref().clone();
    let mut named = false;
    let mut set = |target: &mut Arc<str>, value: &Option<Arc<str>>| {
        if let Some(value) = value {
            *target = value.clone();
            named = true;
        }
    };
    set(&mut content.external_id, &patch.external_id);
    set(&mut content.subject, &patch.subject);
    set(&mut content.summary, &patch.summary);
    set(&mut content.context_uri, &patch.context_uri);
    if let Some(customer) = &patch.customer {
        content.customer = customer.clone();
        named = true;
    }
    if let Some(labels) = &patch.labels {
        content.labels = labels.clone();
        named = true;
    }
    named.then(|| Arc::new(content))
}

fn change(
    draft: &Draft<'_>,
    ticket: &Ticket,
    patch: &TicketPatch,
    reclassify: bool,
    content: Option<&Content>,
) -> TicketChange {
    let mut change = TicketChange {
        priority_asked: patch.priority,
        category: patch.category.clone(),
        language: patch.language.clone(),
        requirement: patch.requirement.clone(),
        schedule_time: patch.schedule_time,
        fields: patch.fields.clone(),
        ..TicketChange::default()
    };
    if let Some(priority) = patch.priority {
        change.priority = Some(priority.unwrap_or(DEFAULT_PRIORITY));
    }
    change.effective = patch.requirement.as_ref().and_then(|asked| in_force(draft, ticket, asked));
    if reclassify {
        let class = reclassified(draft, ticket, patch, content.unwrap_or(&ticket.content));
        let queue = draft.policy(ticket).queue(&class.queue).cloned();
        change.band = queue.map(|queue| ticket.band_asked.unwrap_or(queue.band(ticket.channel)));
        change.queue = Some(class.queue);
        change.priority = Some(class.priority);
        change.effective = Some(class.requirement);
    } else if let Some(queue) = patch.requirement.as_ref().and_then(|need| need.queue.clone()) {
        let found = draft.policy(ticket).queue(&queue).cloned();
        change.band = found.map(|found| ticket.band_asked.unwrap_or(found.band(ticket.channel)));
        change.queue = Some(queue);
    }
    change
}

/// The needs in force when others are asked for: those, and what was put on top of the old ones by the policy's rule, an
/// escalation or a transfer. `None`: the ticket is at its terminal destination, whose needs stay.
fn in_force(draft: &Draft<'_>, ticket: &Ticket, asked: &Requirement) -> Option<Requirement> {
    if ticket.terminal_visits > 0 {
        return None;
    }
    let mut next = stricter(asked, &beyond(&ticket.effective, &ticket.requirement));
    if ticket.transfers.is_empty() {
        // What the rule adds may have been hidden under what was asked before.
        let (patch, nothing) = (TicketPatch::default(), Requirement::default());
        let facts = facts(ticket, &patch, &ticket.content);
        let blank = Requirement { queue: Some(ticket.queue.clone()), ..nothing };
        next = stricter(&next, &draft.policy(ticket).classify(ticket.channel, &facts, &blank).requirement);
    }
    Some(Requirement { queue: asked.queue.clone(), ..next })
}

/// What is in force and was not asked for.
fn beyond(in_force: &Requirement, asked: &Requirement) -> Requirement {
    let mut more = in_force.clone();
    more.skills.retain(|skill, level| asked.skills.get(skill).is_none_or(|known| *known < *level));
    more.authorities.retain(|name, amount| asked.authorities.get(name) != Some(amount));
    more.min_tier = more.min_tier.filter(|tier| asked.min_tier < Some(*tier));
    more.language = more.language.filter(|_| asked.language.is_none());
    more
}

/// Runs the pinned policy again on what is known now.
fn reclassified(draft: &Draft<'_>, ticket: &Ticket, patch: &TicketPatch, content: &Content) -> Class {
    let asked = patch.requirement.as_ref().unwrap_or(&ticket.requirement);
    draft.policy(ticket).classify(ticket.channel, &facts(ticket, patch, content), asked)
}

fn facts<'a>(ticket: &'a Ticket, patch: &'a TicketPatch, content: &'a Content) -> Facts<'a> {
    let pairs = content.labels.iter().chain(&content.customer.attributes);
    let attributes: BTreeMap<&str, &str> = pairs.map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
    Facts {
        channel: Some(ticket.channel),
        queue: patch.requirement.as_ref().unwrap_or(&ticket.requirement).queue.as_ref(),
        category: patch.category.as_ref().unwrap_or(&ticket.category),
        priority: patch.priority.unwrap_or(ticket.priority_asked),
        language: patch.language.as_ref().unwrap_or(&ticket.language),
        attributes,
    }
}

type Move = (u8, LaneNo, Requirement, Time);

/// Where the pending leg goes, if the change moves it.
fn plan_move(draft: &Draft<'_>, ticket: &Ticket, change: &TicketChange) -> Result<Option<Move>, Reject> {
    let Some(leg) = ticket.pending_leg() else { return Ok(None) };
    let mut after = ticket.clone();
    after.queue = change.queue.clone().unwrap_or(after.queue);
    after.effective = change.effective.clone().unwrap_or(after.effective);
    after.priority = change.priority.unwrap_or(after.priority);
    let queue = draft.queue(&after);
    // What only the leg needs (a team) stays with it unless its needs are what changes.
    let need = change.effective.as_ref().unwrap_or(&leg.requirement).clone();
    let lane = lane_of(draft.scope()?, ticket.channel, &queue, &need, &[])?;
    let order_time = order_in(&queue, &after, after.priority, draft.now());
    let moved = lane != leg.lane || order_time != leg.order_time || need != leg.requirement;
    Ok(moved.then_some((leg.n, lane, need, order_time)))
}

/// A parked ticket whose time is now past, or gone, is queued.
fn unpark(draft: &mut Draft<'_>, id: TicketId) -> Result<(), Reject> {
    let ticket = draft.ticket(id)?;
    let due = ticket.schedule_time.is_none_or(|time| time <= draft.now());
    if ticket.state == TicketState::Open && due {
        let next = Next::scheduled(draft, &ticket);
        queue_again(draft, &ticket, next)?;
    }
    Ok(())
}
