//! Placing: making the next leg of a ticket, with its lane, its order time and its preference.

use std::sync::Arc;

use super::draft::Draft;
use crate::domain::agent::{Accepts, Agent};
use crate::domain::desk::LaneKey;
use crate::domain::event::{Body, NewLeg, QueuedReason};
use crate::domain::id::{AgentId, LaneNo, LegId, OfferId, QueueId};
use crate::domain::leg::{Exclusion, ExclusionReason, Leg, LegRole};
use crate::domain::offer::{Offer, OfferState, Reached};
use crate::domain::requirement::{Channel, Requirement};
use crate::domain::ticket::{Placing, Ticket};
use crate::domain::time::{Span, Time};
use crate::policy::Policy;
use crate::policy::queue::Queue;
use crate::routing::lanes::lane_key;
use crate::routing::order::{Age, OrderKey, order_time};
use crate::routing::reject::Reject;
use crate::routing::workset::Scope;

/// Legs after which a ticket is handed on, assigned and reopened no more: what is left of the 255 is for what must not be refused.
const MAX_ASKED_LEGS: usize = 240;

/// A preference: who, and until when (`None`: until they cannot take it).
pub(super) type Prefer = Option<(AgentId, Option<Time>)>;

/// The lane of a need on a queue; the refusal names it when the desk has not interned it yet.
pub(super) fn lane_of(
    scope: &Scope,
    channel: Channel,
    queue: &Queue,
    need: &Requirement,
    alternatives: &[Requirement],
) -> Result<LaneNo, Reject> {
    let key = lane_for(scope, channel, queue, need, alternatives);
    scope.desk.lanes.find(&key).ok_or_else(|| Reject::NeedsIntern { lanes: vec![key], groups: Vec::new() })
}

pub(super) fn lane_for(
    scope: &Scope,
    channel: Channel,
    queue: &Queue,
    need: &Requirement,
    alternatives: &[Requirement],
) -> LaneKey {
    lane_key(channel, &queue.id, std::iter::once(need).chain(alternatives), queue.strategy, &scope.limits)
}

/// The order time of a ticket in a queue.
pub(super) fn order_in(queue: &Queue, ticket: &Ticket, priority: u8, now: Time) -> Time {
    let running = ticket.customer_turn_since.map_or(Span::ZERO, |since| now - since);
    let age = Age {
        arrival: ticket.arrival_time,
        enqueue: ticket.enqueue_time.unwrap_or(now),
        priority,
        customer_turn: ticket.customer_turn + running,
        target: queue.first_response(ticket.channel),
    };
    order_time(queue.ordering, age)
}

/// Where a waiting leg stands in its lane.
pub fn leg_key(ticket: &Ticket, leg: &Leg) -> OrderKey {
    let enqueue = ticket.enqueue_time.unwrap_or(ticket.create_time);
    OrderKey::new(ticket.band, leg.order_time, enqueue, LegId { ticket: ticket.id, leg: leg.n })
}

/// What a further leg is for.
pub(super) struct Next {
    pub role: LegRole,
    pub reason: QueuedReason,
    /// `None`: the queue and the needs in force stay as they are.
    pub place: Option<Placing>,
    pub prefer: Prefer,
    pub transfer: Option<u8>,
}

impl Next {
    /// A parked ticket's time has come: its preferred agent is tried first.
    pub fn scheduled(draft: &Draft<'_>, ticket: &Ticket) -> Next {
        let until = draft.now() + draft.queue(ticket).prefer(ticket.channel);
        let prefer = ticket.preferred.first().cloned().map(|agent| (agent, Some(until)));
        Next { prefer, ..Next::again(QueuedReason::Scheduled) }
    }

    /// The same work again, for the reason given.
    pub fn again(reason: QueuedReason) -> Next {
        Next { role: LegRole::Handle, reason, place: None, prefer: None, transfer: None }
    }
}

/// The next leg of a ticket. Refuses (also for a lane that must be interned first) without an event.
pub(super) fn next_leg(draft: &Draft<'_>, ticket: &Ticket, next: &Next) -> Result<NewLeg, Reject> {
    let scope = draft.scope()?;
    let queue = queue_of(&draft.policy(ticket), ticket, next.place.as_ref());
    let need = next.place.as_ref().map_or(&ticket.effective, |place| &place.effective);
    let priority = next.place.as_ref().map_or(ticket.priority, |place| place.priority);
    let n = next_number(ticket, next.reason)?;
    let (prefer, prefer_until) = next.prefer.clone().map_or((None, None), |(agent, until)| (Some(agent), until));
    Ok(NewLeg {
        n,
        role: next.role,
        lane: lane_of(scope, ticket.channel, &queue, need, &[])?,
        requirement: need.clone(),
        alternatives: Vec::new(),
        order_time: order_in(&queue, ticket, priority, draft.now()),
        want: queue.parallel_offers,
        prefer,
        prefer_until,
        exclusions: inherited(ticket, next, draft.now()),
        transfer: next.transfer,
        pause_until: None,
    })
}

/// Who is not offered the next leg either. The same work again inherits every exclusion of the leg before it that is still
/// running, other work (a transfer, an escalation) those for good and those of a conflict. Whoever the leg is meant for, and a
/// transferor, begin afresh.
fn inherited(ticket: &Ticket, next: &Next, now: Time) -> Vec<Exclusion> {
    let same_work = next.role == LegRole::Handle;
    let meant_for = next.prefer.as_ref().map(|(agent, _)| agent);
    let stays = |known: &&Exclusion| {
        let running = known.until.is_none_or(|until| until > now);
        let weighty = known.until.is_none() || known.reason == ExclusionReason::Conflict;
        let own = known.reason == ExclusionReason::Transferor || meant_for == Some(&known.agent);
        running && (same_work || weighty) && !own
    };
    let before = ticket.legs.last().map(|leg| &leg.exclusions);
    before.into_iter().flatten().filter(stays).cloned().collect()
}

/// The number of a further leg. When all 255 are used, work that must go on goes on in the latest leg that is over: it waits
/// again, under a higher version, so that no timer and no lost agent ever leaves a ticket without a leg (I12).
fn next_number(ticket: &Ticket, reason: QueuedReason) -> Result<u8, Reject> {
    let used_up = Reject::LimitReached { limit: "legs of a ticket: 240, the rest is for what Handoff must do itself" };
    if ticket.legs.len() >= MAX_ASKED_LEGS && may_be_refused(reason) {
        return Err(used_up);
    }
    match u8::try_from(ticket.legs.len() + 1) {
        Ok(n) => Ok(n),
        Err(_) => ticket.legs.iter().rev().find(|leg| !leg.state.is_open()).map(|leg| leg.n).ok_or(used_up),
    }
}

/// Whether somebody asked for it who can be told no; the rest would strand a customer.
const fn may_be_refused(reason: QueuedReason) -> bool {
    match reason {
        QueuedReason::Transferred | QueuedReason::Escalated | QueuedReason::Assigned | QueuedReason::Reopened => true,
        QueuedReason::Created
        | QueuedReason::Scheduled
        | QueuedReason::Requeued
        | QueuedReason::HandlerLost
        | QueuedReason::Resumed
        | QueuedReason::Returned
        | QueuedReason::Terminal => false,
    }
}

/// Queues the ticket again with a new leg.
pub(super) fn queue_again(draft: &mut Draft<'_>, ticket: &Ticket, next: Next) -> Result<(), Reject> {
    let leg = next_leg(draft, ticket, &next)?;
    let queue = queue_of(&draft.policy(ticket), ticket, next.place.as_ref());
    let unassigned_due = Some(draft.now() + queue.unassigned_timeout(ticket.channel));
    draft.emit(
        ticket.id,
        Body::Queued { reason: next.reason, leg: Box::new(leg), place: next.place.map(Box::new), unassigned_due },
    );
    Ok(())
}

fn queue_of(policy: &Policy, ticket: &Ticket, place: Option<&Placing>) -> Queue {
    let id: &QueueId = place.map_or(&ticket.queue, |place| &place.queue);
    policy.queue(id).cloned().unwrap_or_else(|| Queue::new(id.clone()))
}

/// How the agent is reached on a channel: their endpoint there, else their session's desktop through no connector.
pub(super) fn reached(agent: &Agent, channel: Channel) -> Option<Reached> {
    agent.profile.endpoint(channel).map(|endpoint| Reached {
        connector: endpoint.connector.clone(),
        address: endpoint.address.clone(),
        accepts: endpoint.accepts,
    })
}

/// Whether an offer to this agent is accepted as it is made.
pub(super) fn accepts_by_itself(agent: &Agent, channel: Channel) -> bool {
    agent.profile.endpoint(channel).is_some_and(|endpoint| endpoint.accepts == Accepts::Auto)
}

/// An offer that puts an agent on a leg at once: booked, accepted and confirmed.
pub(super) fn placement(ticket: &Ticket, leg: &Leg, agent: &Agent, now: Time) -> Offer {
    Offer {
        id: OfferId { leg: LegId { ticket: ticket.id, leg: leg.n }, leg_ver: leg.ver, nth: 0 },
        agent: agent.id.clone(),
        session: agent.session.as_ref().map_or(0, |session| session.epoch),
        device: None,
        state: OfferState::Confirmed,
        end: None,
        endpoint: reached(agent, ticket.channel),
        weight: agent.profile.weight(ticket.channel),
        offer_time: now,
        ring: Span::ZERO,
        expire_time: now,
        lapse_time: now,
        confirm_expire_time: None,
    }
}

/// Puts an agent on the ticket's pending leg. The caller has checked that there is room.
pub(super) fn put_on(draft: &mut Draft<'_>, ticket: &Ticket, n: u8, agent: &Agent, reason: &Arc<str>) {
    let leg = ticket.leg(n).expect("the leg was just made");
    let offer = placement(ticket, leg, agent, draft.now());
    draft.emit(ticket.id, Body::Placed { leg: n, offer: Box::new(offer), reason: reason.clone() });
}
