//! EscalateTicket: to more expertise or to more authority, each axis with a level of its own. Functional never changes
//! authority; hierarchical never drops a skill.

use std::sync::Arc;

use super::draft::Draft;
use super::hops;
use super::place::{Next, next_leg};
use super::transfer::{Moving, current_place, movable, start};
use crate::domain::event::{Actor, Body, NotificationReason, QueuedReason};
use crate::domain::id::TicketId;
use crate::domain::leg::LegRole;
use crate::domain::requirement::Requirement;
use crate::domain::ticket::{Axis, EscalationReason, Placing, Release, Target, Ticket, TransferState};
use crate::policy::classify::stricter;
use crate::policy::queue::{Queue, Terminal};
use crate::routing::command::{Answer, NewEscalation};
use crate::routing::lanes::satisfies;
use crate::routing::reject::{Reject, Violation};

/// Points of priority that a hierarchical escalation adds.
const HIERARCHICAL_PRIORITY: u8 = 10;

pub(super) fn decide(draft: &mut Draft<'_>, id: TicketId, new: &NewEscalation) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    movable(&ticket)?;
    if ticket.open_transfer().is_some_and(|open| open.axis.is_none()) {
        let needed = "a transfer is under way: it completes or returns first";
        return Err(Reject::TicketState { state: ticket.state, needed });
    }
    check(draft, &ticket, new)?;
    if hops::used_up(draft, &ticket) {
        return to_terminal(draft, &ticket, new.reason, new.requested_by.clone(), &new.note);
    }
    let effective = stricter(&ticket.effective, &new.requirement);
    if effective == ticket.effective {
        return Err(Reject::field("requirement", "asks for nothing that the ticket does not need already"));
    }
    somebody_fits(draft, &ticket, new, &effective)?;
    let mut place = Placing { effective, ..current_place(&ticket) };
    if let Some(queue) = &new.requirement.queue {
        let policy = draft.policy(&ticket);
        let found = policy.queue(queue);
        place.band = ticket.band_asked.or(found.map(|found| found.band(ticket.channel))).unwrap_or(place.band);
        place.queue = queue.clone();
    }
    if new.axis == Axis::Hierarchical {
        place.priority = place.priority.saturating_add(HIERARCHICAL_PRIORITY).min(100);
    }
    let asked = new.requirement.clone();
    escalate(draft, &ticket, new, place, Target::Requirement(asked))
}

/// Refuses what nobody on the desk has. Of two needs on two axes that nobody has together, the second one is refused: a ticket
/// has one leg that looks for somebody, never two side by side.
fn somebody_fits(
    draft: &Draft<'_>,
    ticket: &Ticket,
    new: &NewEscalation,
    effective: &Requirement,
) -> Result<(), Reject> {
    let groups = &draft.scope()?.desk.groups;
    let anybody = |need: &Requirement| groups.iter().any(|(_, group)| satisfies(need, group));
    if anybody(effective) {
        return Ok(());
    }
    let other = ticket.open_transfer().filter(|open| open.axis.is_some_and(|axis| axis != new.axis));
    let alone = other.is_some_and(|open| anybody(&stricter(&open.before.effective, &new.requirement)));
    Err(if alone { Reject::NobodyHasBoth } else { Reject::NobodyFits })
}

fn check(draft: &Draft<'_>, ticket: &Ticket, new: &NewEscalation) -> Result<(), Reject> {
    let policy = draft.policy(ticket);
    let mut violations: Vec<Violation> = super::create::check_needs(&policy, &new.requirement, &Arc::from(""));
    let mut refuse = |field: &str, description: &str| {
        violations.push(Violation { field: field.into(), description: description.into() });
    };
    match new.axis {
        Axis::Functional if !new.requirement.authorities.is_empty() => {
            refuse("requirement.authorities", "a functional escalation asks for expertise; authority is hierarchical");
        }
        Axis::Hierarchical if !new.requirement.skills.is_empty() => {
            refuse("requirement.skills", "a hierarchical escalation asks for authority; skills are functional");
        }
        Axis::Functional | Axis::Hierarchical => {}
    }
    if violations.is_empty() { Ok(()) } else { Err(Reject::Invalid(violations)) }
}

/// Writes the escalation and begins the hand-over. An escalation that is still looking for somebody is joined: its leg makes
/// way for one that needs both. Levels and hops say what was asked for, so they stay when nobody takes it and the ticket
/// goes back; queue, priority and needs are then what they were before the first.
fn escalate(
    draft: &mut Draft<'_>,
    ticket: &Ticket,
    new: &NewEscalation,
    place: Placing,
    target: Target,
) -> Result<Answer, Reject> {
    let level = match new.axis {
        Axis::Functional => ticket.functional_level,
        Axis::Hierarchical => ticket.hierarchical_level,
    }
    .saturating_add(1);
    let moving = Moving {
        role: LegRole::Escalation,
        reason: QueuedReason::Escalated,
        place: place.clone(),
        target,
        release: Release::AfterConfirm,
        named: None,
        team: None,
        words: Arc::from(""),
        axis: Some(new.axis),
    };
    // Looked for before the first event: a lane that must be interned first leaves nothing behind.
    let next = Next { place: Some(place.clone()), ..Next::again(QueuedReason::Escalated) };
    let leg = next_leg(draft, ticket, &next)?.n;
    if let Some(open) = ticket.open_transfer() {
        let (transfer, hops, state) = (open.n, ticket.hops, TransferState::Cancelled);
        draft.emit(ticket.id, Body::TransferMoved { transfer, state, to_agent: None, hops, visits: Vec::new() });
    }
    let transfer = ticket.transfers.last().map_or(1, |last| last.n.saturating_add(1));
    draft.emit(
        ticket.id,
        Body::Escalated {
            axis: new.axis,
            reason: new.reason,
            level,
            place: Box::new(place),
            leg,
            transfer: Some(transfer),
            requested_by: new.requested_by.clone(),
            hops: ticket.hops.saturating_add(1),
            content: super::resolve::with_note(ticket, &new.note, None, draft.now()),
        },
    );
    let before = draft.ticket(ticket.id)?;
    start(draft, &before, moving, &Arc::from(""))?;
    hops::counted(draft, ticket.id, ticket.hops)?;
    Ok(Answer::Escalated { ticket: ticket.id, leg, level, transfer: Some(transfer) })
}

/// The hop limit is reached: the next hand-over goes to the queue's terminal destination, and the owner is told.
pub(super) fn to_terminal(
    draft: &mut Draft<'_>,
    ticket: &Ticket,
    reason: EscalationReason,
    requested_by: Actor,
    note: &Arc<str>,
) -> Result<Answer, Reject> {
    let place = terminal_place(&draft.queue(ticket), ticket);
    let (axis, requirement) = (Axis::Hierarchical, place.effective.clone());
    let new = NewEscalation { axis, reason, requirement, requested_by, note: note.clone() };
    let target = Target::Queue(place.queue.clone());
    let answer = escalate(draft, ticket, &new, place, target)?;
    let ticket = draft.ticket(ticket.id)?;
    hops::notify(draft, &ticket, NotificationReason::HopLimitReached);
    Ok(answer)
}

/// Where a ticket of this queue ends up when nothing else is left.
pub(super) fn terminal_place(queue: &Queue, ticket: &Ticket) -> Placing {
    let anybody = || Terminal { queue: queue.id.clone(), requirement: Requirement::default() };
    let terminal = queue.terminal.clone().unwrap_or_else(anybody);
    Placing {
        queue: terminal.queue,
        band: ticket.band,
        priority: ticket.priority,
        effective: terminal.requirement,
        terminal: true,
    }
}
