//! What must hold whatever was asked: capacity, one holder, no limbo, deadlines, numbers, conversation keys, exclusions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use handoff::domain::agent::Agent;
use handoff::domain::event::{Body, Event};
use handoff::domain::id::{AgentId, TicketId};
use handoff::domain::leg::{Leg, LegState};
use handoff::domain::offer::OfferState;
use handoff::domain::requirement::{Channel, Pool};
use handoff::domain::ticket::{Content, Ticket, TicketState};
use handoff::domain::time::Time;
use handoff::routing::workset::WorkingSet;

use super::world::{Before, World, fold};

macro_rules! hold {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

pub type Checked = Result<(), String>;

/// What an event must find before it is applied.
pub fn before_event(ws: &WorkingSet<'_>, event: &Event) -> Checked {
    let Some(id) = event.ticket else { return Ok(()) };
    let last = ws.tickets.get(&id).map_or(0, |row| row.ticket_seq);
    let expected = if event.body.decision_kind().is_some() { last + 1 } else { 0 };
    hold!(event.ticket_seq == expected, "decision number {} after {last}: {event:?}", event.ticket_seq);
    if let Body::Offered { leg, offers, .. } = &event.body {
        let row = ws.tickets.get(&id).and_then(|row| row.leg(*leg)).ok_or("an offer of a leg that does not exist")?;
        for offer in offers {
            hold!(row.excludes(&offer.agent).is_none(), "offered to an excluded agent: {offer:?}");
        }
    }
    Ok(())
}

pub fn after_command(world: &World, before: &Before, events: &[Event]) -> Checked {
    let mut counts: BTreeMap<TicketId, u64> = BTreeMap::new();
    for ticket in events.iter().filter_map(|event| event.ticket) {
        *counts.entry(ticket).or_default() += 1;
    }
    let mut concerned: BTreeSet<&AgentId> = BTreeSet::new();
    for ticket in world.tickets() {
        let known = before.tickets.get(&ticket.id);
        let mine = counts.get(&ticket.id).copied().unwrap_or(0);
        hold!(ticket.ver == known.map_or(0, |row| row.ver) + mine, "the ticket's version is not dense: {ticket:?}");
        if mine > 0 {
            row(ticket, known.map(Arc::as_ref))?;
            concerned.extend(ticket.concerned_agents());
            concerned.extend(known.iter().flat_map(|row| row.concerned_agents()));
        }
    }
    // Of the others neither the row nor any work has changed.
    for agent in world.ws.agents.own().values() {
        let same = before.agents.get(&agent.id).is_some_and(|known| Arc::ptr_eq(known, agent));
        if !same || concerned.contains(&agent.id) {
            capacity(world, before, agent)?;
        }
    }
    conversations(&world.ws)
}

/// A ticket's row after a transaction.
pub fn row(ticket: &Ticket, known: Option<&Ticket>) -> Checked {
    numbers(ticket, known)?;
    one_holder(ticket)?;
    state(ticket)?;
    no_limbo(ticket)?;
    let due = deadline(ticket);
    hold!(ticket.next_due_at == due, "next_due_at is {:?}, not {due:?}: {ticket:?}", ticket.next_due_at);
    Ok(())
}

fn capacity(world: &World, before: &Before, agent: &Agent) -> Checked {
    booked(world.tickets(), agent)?;
    before.agents.get(&agent.id).map_or(Ok(()), |known| within(known, agent))
}

/// I2: what is booked follows from legs and offers.
pub fn booked<'a>(tickets: impl Iterator<Item = &'a Arc<Ticket>>, agent: &Agent) -> Checked {
    let mut held: BTreeMap<Channel, u16> = BTreeMap::new();
    let mut used: BTreeMap<Pool, u16> = BTreeMap::new();
    for ticket in tickets {
        for leg in ticket.open_legs() {
            let working = matches!(leg.state, LegState::Connecting | LegState::Active | LegState::Wrapping);
            let mine = working && leg.agent.as_ref() == Some(&agent.id);
            let pending = leg.pending_offers().filter(|offer| offer.agent == agent.id).map(|offer| offer.weight);
            for weight in pending.chain(mine.then_some(leg.weight)) {
                *held.entry(ticket.channel).or_default() += 1;
                *used.entry(ticket.channel.pool()).or_default() += weight;
            }
        }
    }
    hold!(agent.held == held, "{} holds {:?}, legs and offers say {held:?}", agent.id, agent.held);
    for pool in [Pool::Live, Pool::Deferred] {
        let expected = used.get(&pool).copied().unwrap_or(0);
        hold!(agent.used(pool) == expected, "{} uses {} of {pool:?}, not {expected}", agent.id, agent.used(pool));
    }
    Ok(())
}

/// I2: no booking went past the capacity in force.
pub fn within(known: &Agent, agent: &Agent) -> Checked {
    for pool in [Pool::Live, Pool::Deferred] {
        let rose = agent.used(pool) > known.used(pool);
        hold!(!rose || agent.used(pool) <= agent.profile.pool(pool), "booked past the pool: {agent:?}");
    }
    for channel in Channel::ALL {
        let rose = agent.held(channel) > known.held(channel);
        hold!(!rose || agent.held(channel) <= agent.profile.max(channel), "booked past the limit: {agent:?}");
    }
    hold!(agent.ver >= known.ver, "an agent's version fell");
    let changed = agent != known;
    hold!(!changed || agent.ver > known.ver, "an agent's row changed under the same version: {agent:?}");
    Ok(())
}

fn numbers(ticket: &Ticket, known: Option<&Ticket>) -> Checked {
    let dense = ticket.legs.iter().zip(1_u32..).all(|(leg, n)| u32::from(leg.n) == n);
    hold!(dense, "leg numbers are not dense: {ticket:?}");
    let offers: Vec<_> = ticket.legs.iter().flat_map(|leg| &leg.offers).map(|offer| offer.id).collect();
    let distinct: BTreeSet<_> = offers.iter().collect();
    hold!(distinct.len() == offers.len(), "two offers have one id: {offers:?}");
    let Some(known) = known else { return Ok(()) };
    for leg in &known.legs {
        let now = ticket.leg(leg.n).ok_or("a leg vanished")?;
        hold!(now == leg || now.ver > leg.ver, "a leg changed under the same version: {leg:?} {now:?}");
    }
    hold!(ticket.enqueue_time == known.enqueue_time.or(ticket.enqueue_time), "enqueue_time was reset");
    hold!(ticket.arrival_time == known.arrival_time, "arrival_time was changed");
    Ok(())
}

/// I3.
fn one_holder(ticket: &Ticket) -> Checked {
    let pending = ticket.legs.iter().filter(|leg| leg.state.is_pending()).count();
    let active = ticket.legs.iter().filter(|leg| leg.state == LegState::Active).count();
    hold!(pending <= 1 && active <= 1, "{pending} pending and {active} active legs: {ticket:?}");
    hold!(ticket.transfers.iter().filter(|known| known.state.is_open()).count() <= 1, "two open transfers");
    for leg in ticket.open_legs() {
        let taken =
            leg.offers.iter().filter(|offer| matches!(offer.state, OfferState::Accepted | OfferState::Confirmed));
        let open = leg.pending_offers().count();
        hold!(taken.count() <= 1, "two holders: {leg:?}");
        hold!(open <= usize::from(leg.want), "more offers than wanted: {leg:?}");
        let agents: BTreeSet<&AgentId> = leg.pending_offers().map(|offer| &offer.agent).collect();
        hold!(agents.len() == open, "an agent is offered one leg twice: {leg:?}");
    }
    let leg = ticket.open_transfer().map(|open| open.leg);
    let looking = leg.and_then(|n| ticket.leg(n));
    hold!(leg.is_none() || looking.is_some_and(|leg| leg.state.is_pending()), "a transfer without a leg: {ticket:?}");
    Ok(())
}

/// The ticket's state says what its legs say.
fn state(ticket: &Ticket) -> Checked {
    let pending = ticket.pending_leg().is_some();
    let active = ticket.active_leg().is_some();
    let right = match ticket.state {
        TicketState::Open => !pending && !active && ticket.schedule_time.is_some(),
        TicketState::Queued => pending && !active,
        TicketState::Assigned => active || !pending,
        TicketState::OnHold => !pending && (!active || ticket.channel == Channel::Phone) && ticket.hold.is_some(),
        TicketState::Resolved | TicketState::Closed | TicketState::Cancelled => !pending && !active,
    };
    hold!(right, "{:?} with pending {pending}, active {active}: {ticket:?}", ticket.state);
    hold!(ticket.hold.is_some() == (ticket.state == TicketState::OnHold), "a hold outlived its state: {ticket:?}");
    hold!(ticket.state.is_open() || ticket.open_transfer().is_none(), "a transfer outlived its ticket: {ticket:?}");
    Ok(())
}

/// I12.
fn no_limbo(ticket: &Ticket) -> Checked {
    let kept = ticket.open_legs().next().is_some() || ticket.next_due_at.is_some();
    hold!(!ticket.state.is_open() || kept, "limbo: {ticket:?}");
    for leg in ticket.open_legs() {
        let kept = match leg.state {
            LegState::Waiting => waits_well(ticket, leg),
            LegState::Offered => leg.pending_offers().next().is_some(),
            LegState::Connecting => {
                let confirms = leg.accepted_offer().is_some_and(|offer| offer.confirm_expire_time.is_some());
                confirms && leg.pending_offers().next().is_none()
            }
            LegState::Active => leg.agent.is_some() && leg.pending_offers().next().is_none(),
            LegState::Wrapping => leg.agent.is_some() && leg.wrap_up_expire_time.is_some(),
            LegState::Done | LegState::Cancelled => true,
        };
        hold!(kept, "a leg in limbo: {leg:?} of {ticket:?}");
    }
    Ok(())
}

/// A preference without an end is for an agent who may have it, and there is a deadline all the same: should they go off duty
/// unseen, the index passes over the preference.
fn waits_well(ticket: &Ticket, leg: &Leg) -> bool {
    let Some(prefer) = &leg.prefer else { return true };
    leg.prefer_until.is_some() || leg.excludes(prefer).is_none() && ticket.unassigned_due.is_some()
}

/// The next deadline, worked out from the specification's list.
pub fn deadline(ticket: &Ticket) -> Option<Time> {
    let mut due = Vec::new();
    match ticket.state {
        TicketState::Open => due.extend(ticket.schedule_time),
        TicketState::Queued | TicketState::Assigned => due.extend(ticket.unassigned_due),
        TicketState::OnHold => due.extend(ticket.hold.as_ref().map(|hold| hold.resume_time)),
        TicketState::Resolved => due.extend(ticket.close_due),
        TicketState::Closed | TicketState::Cancelled => {}
    }
    due.extend(ticket.transfers.iter().filter(|known| known.state.is_open()).filter_map(|known| known.absent_due));
    for leg in &ticket.legs {
        match leg.state {
            LegState::Waiting => {
                due.extend(leg.prefer_until);
                due.extend(leg.pause_until);
                due.extend(leg.exclusions.iter().filter_map(|exclusion| exclusion.until));
            }
            LegState::Offered => due.extend(leg.pending_offers().map(|offer| offer.lapse_time)),
            LegState::Connecting => due.extend(leg.offers.iter().filter_map(|offer| offer.confirm_expire_time)),
            LegState::Wrapping => due.extend(leg.wrap_up_expire_time),
            LegState::Active | LegState::Done | LegState::Cancelled => {}
        }
    }
    due.into_iter().min()
}

/// A conversation key is held by exactly one open ticket, or free.
pub fn conversations(rows: &WorkingSet<'_>) -> Checked {
    let mut expected = BTreeMap::new();
    for ticket in rows.tickets.own().values().filter(|ticket| ticket.state.is_open()) {
        for key in &ticket.content.conversation_keys {
            let earlier = expected.insert((ticket.connector.clone(), key.clone()), ticket.id);
            hold!(earlier.is_none(), "two open tickets hold the key {key}");
        }
    }
    let held =
        rows.conversations.own().iter().filter_map(|(key, held)| Some((key.clone(), held.as_ref().as_ref().copied()?)));
    let held: BTreeMap<_, _> = held.collect();
    hold!(held == expected, "conversation keys are held by {held:?}, not {expected:?}");
    Ok(())
}

/// Folding the log from nothing gives the rows, text columns apart.
pub fn folds(world: &World) -> Checked {
    fold_to(&fold(&world.log, &world.ws.key), &world.ws)
}

/// What the log was folded to is what the rows are.
pub fn fold_to(folded: &WorkingSet<'_>, rows: &WorkingSet<'_>) -> Checked {
    for (id, ticket) in rows.tickets.own() {
        let again = folded.tickets.get(id).ok_or("a ticket is not in the log")?;
        let plain = Ticket { content: Arc::new(Content::default()), ..ticket.as_ref().clone() };
        let again = Ticket { content: Arc::new(Content::default()), ..again.as_ref().clone() };
        hold!(again == plain, "folding gives another ticket:\n{again:?}\n{plain:?}");
    }
    hold!(folded.agents.own() == rows.agents.own(), "folding gives other agents");
    Ok(())
}
