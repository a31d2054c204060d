//! CreateTicket: classification, the first leg, and the place it gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Draft;
use super::place::{lane_for, lane_of};
use crate::domain::connector::{Connector, Reach};
use crate::domain::desk::LaneKey;
use crate::domain::event::{Birth, Body, NewLeg};
use crate::domain::id::{AgentId, LaneNo, LegId, QueueId};
use crate::domain::leg::LegRole;
use crate::domain::requirement::{Band, Requirement};
use crate::domain::time::{Span, Time};
use crate::policy::Policy;
use crate::policy::classify::{Class, NotListed};
use crate::policy::condition::Facts;
use crate::policy::queue::{Queue, WhenFull};
use crate::routing::command::{Answer, NewTicket};
use crate::routing::order::{Age, OrderKey, order_time};
use crate::routing::reject::{Kind, Reject, Violation};
use crate::routing::workset::{Scope, WorkingSet};

/// How far `arrival_time` may lie back.
const BACK_DATED: Span = Span::from_days(7);
/// How far ahead a ticket may be parked.
const SCHEDULED_AHEAD: Span = Span::from_days(400);
/// A connector's clock may be ahead of ours by this much.
const CLOCK_SKEW: Span = Span::from_mins(5);

/// Where a new ticket will wait, worked out before it is created so that an agent can be held for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub leg: LegId,
    /// The lane, or the need that the desk has to intern first.
    pub lane: Result<LaneNo, LaneKey>,
    pub key: OrderKey,
    pub band: Band,
    pub queue: QueueId,
    pub want: u8,
    /// Whether the queue counts who waits.
    pub bounded: bool,
}

/// Plans the first leg; `None` for a ticket that is parked.
pub fn plan(scope: &Scope, new: &NewTicket, now: Time) -> Option<Plan> {
    if parked_until(new, now).is_some() {
        return None;
    }
    let policy = scope.current_policy();
    let class = classify(policy, new);
    let queue = policy.queue(&class.queue)?;
    let key = lane_for(scope, new.channel, queue, &class.requirement, &[]);
    let lane = scope.desk.lanes.find(&key).ok_or(key);
    let leg = LegId { ticket: new.id, leg: 1 };
    let band = new.band.unwrap_or(queue.band(new.channel));
    let time = first_order_time(queue, new, class.priority, now);
    Some(Plan {
        leg,
        lane,
        key: OrderKey::new(band, time, now, leg),
        band,
        queue: class.queue,
        want: queue.parallel_offers,
        bounded: queue.max_waiting.is_some(),
    })
}

pub(super) fn decide(draft: &mut Draft<'_>, new: &NewTicket) -> Result<Answer, Reject> {
    let scope = draft.scope()?.clone();
    let connector = draft.connector(&new.connector)?;
    if let Some(existing) = draft.ws().tickets.get(&new.id) {
        if existing.tombstone && existing.connector == new.connector {
            return Ok(Answer::Ticket { ticket: new.id });
        }
        return Err(Reject::AlreadyExists { kind: Kind::Ticket, name: existing.name.to_string() });
    }
    let policy = scope.current_policy();
    let violations = check(draft, new, &connector, policy);
    if !violations.is_empty() {
        return Err(Reject::Invalid(violations));
    }
    check_conversations(draft.ws(), new)?;
    let (class, queue) = admit(draft.ws(), policy, new)?;
    let mut birth = birth(new, policy.revision, &class, queue, draft.now());
    birth.follows_instance = !new.instance.is_empty() && connector.follows_instance(new.channel);
    let leg = match birth.schedule_time {
        Some(_) => None,
        None => Some(Box::new(first_leg(&scope, new, first_preferred(draft, new), &class, queue, draft.now())?)),
    };
    let content = Some(Arc::new(new.content.clone()));
    draft.emit(new.id, Body::Created { birth: Box::new(birth), leg, content });
    Ok(Answer::Ticket { ticket: new.id })
}

fn parked_until(new: &NewTicket, now: Time) -> Option<Time> {
    new.schedule_time.filter(|time| *time > now)
}

fn classify(policy: &Policy, new: &NewTicket) -> Class {
    policy.classify(new.channel, &facts(new), &new.requirement)
}

fn facts(new: &NewTicket) -> Facts<'_> {
    let pairs = new.content.labels.iter().chain(&new.content.customer.attributes);
    let attributes: BTreeMap<&str, &str> = pairs.map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
    Facts {
        channel: Some(new.channel),
        queue: new.requirement.queue.as_ref(),
        category: &new.category,
        priority: new.priority,
        language: &new.language,
        attributes,
    }
}

fn first_order_time(queue: &Queue, new: &NewTicket, priority: u8, now: Time) -> Time {
    let arrival = new.arrival_time.unwrap_or(now).min(now);
    let age =
        Age { arrival, enqueue: now, priority, customer_turn: Span::ZERO, target: queue.first_response(new.channel) };
    order_time(queue.ordering, age)
}

fn check(draft: &Draft<'_>, new: &NewTicket, connector: &Connector, policy: &Policy) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut refuse = |field: String, description: String| violations.push(Violation { field, description });
    if connector.reach != Reach::Own {
        refuse("connector".into(), format!("{} monitors others' tickets and cannot create its own", connector.id));
    }
    if !connector.serves(new.channel) {
        refuse("ticket.channel".into(), format!("connector {} does not serve {}", connector.id, new.channel.word()));
    }
    for (at, agent) in new.preferred.iter().enumerate() {
        if draft.agent(agent).is_err() {
            refuse(format!("ticket.preferred_agents[{at}]"), format!("agent {agent} does not exist"));
        }
    }
    for refused in check_needs(policy, &new.requirement, &new.category) {
        refuse(format!("ticket.{}", refused.field), refused.description);
    }
    let now = draft.now();
    if new.arrival_time.is_some_and(|time| time < now - BACK_DATED || time > now + CLOCK_SKEW) {
        refuse("ticket.arrival_time".into(), "must lie in the past, by at most 7 days".into());
    }
    if new.schedule_time.is_some_and(|time| time > now + SCHEDULED_AHEAD) {
        refuse("ticket.schedule_time".into(), "must lie at most 400 days ahead".into());
    }
    violations
}

/// What the policy does not know of a need and a category; fields are relative to the ticket.
pub(super) fn check_needs(policy: &Policy, need: &Requirement, category: &Arc<str>) -> Vec<Violation> {
    let catalogue = &policy.catalogue;
    let unlisted = |NotListed { field, name, catalogue }: NotListed| Violation {
        field: format!("requirement.{field}"),
        description: format!("{name} is not in the policy's catalogue of {catalogue}"),
    };
    let mut violations: Vec<Violation> = catalogue.refuse(need).into_iter().map(unlisted).collect();
    if let Some(queue) = need.queue.as_ref().filter(|queue| policy.queue(queue).is_none()) {
        let description = format!("the policy has no queue {queue}");
        violations.push(Violation { field: "requirement.queue".into(), description });
    }
    if let Some(categories) = catalogue.categories.as_ref().filter(|_| !category.is_empty())
        && !categories.contains(category)
    {
        let description = format!("{category} is not in the policy's catalogue of categories");
        violations.push(Violation { field: "category".into(), description });
    }
    violations
}

fn check_conversations(ws: &WorkingSet<'_>, new: &NewTicket) -> Result<(), Reject> {
    for key in &new.content.conversation_keys {
        let held = ws.conversations.get(&(new.connector.clone(), key.clone())).and_then(|held| *held.as_ref());
        if let Some(held) = held {
            let ticket = ws.tickets.get(&held).map_or_else(|| held.default_name(), |row| row.name.clone());
            return Err(Reject::ConversationInUse { key: key.to_string(), ticket });
        }
    }
    Ok(())
}

/// The class of the ticket and its queue, or the one that takes over when it is full.
fn admit<'p>(ws: &WorkingSet<'_>, policy: &'p Policy, new: &NewTicket) -> Result<(Class, &'p Queue), Reject> {
    let mut class = classify(policy, new);
    let full = |queue: &Queue| {
        let waiting = ws.waiting.get(&queue.id).copied().unwrap_or(0);
        queue.max_waiting.is_some_and(|max| waiting >= max)
    };
    let queue = policy.queue(&class.queue).expect("a checked policy has every queue it names");
    if !full(queue) {
        return Ok((class, queue));
    }
    let other = match &queue.when_full {
        WhenFull::Refuse => None,
        WhenFull::Other(other) => policy.queue(other).filter(|other| !full(other)),
    };
    let other = other.ok_or_else(|| Reject::QueueFull { queue: queue.id.to_string() })?;
    class.queue = other.id.clone();
    Ok((class, other))
}

fn birth(new: &NewTicket, policy_rev: u32, class: &Class, queue: &Queue, now: Time) -> Birth {
    let schedule_time = parked_until(new, now);
    Birth {
        name: new.name.clone(),
        connector: new.connector.clone(),
        instance: new.instance.clone(),
        follows_instance: false,
        channel: new.channel,
        policy_rev,
        queue: class.queue.clone(),
        band_asked: new.band,
        band: new.band.unwrap_or(queue.band(new.channel)),
        priority_asked: new.priority,
        priority: class.priority,
        category: new.category.clone(),
        language: new.language.clone(),
        parent: new.parent.clone(),
        requirement: new.requirement.clone(),
        effective: class.requirement.clone(),
        preferred: new.preferred.clone(),
        arrival_time: new.arrival_time.unwrap_or(now).min(now),
        schedule_time,
        unassigned_due: schedule_time.unwrap_or(now) + queue.unassigned_timeout(new.channel),
    }
}

/// The first of the preferred agents who is on duty.
fn first_preferred(draft: &Draft<'_>, new: &NewTicket) -> Option<AgentId> {
    new.preferred.iter().find(|agent| draft.agent(agent).is_ok_and(|row| row.on_duty())).cloned()
}

fn first_leg(
    scope: &Scope,
    new: &NewTicket,
    prefer: Option<AgentId>,
    class: &Class,
    queue: &Queue,
    now: Time,
) -> Result<NewLeg, Reject> {
    Ok(NewLeg {
        n: 1,
        role: LegRole::Handle,
        lane: lane_of(scope, new.channel, queue, &class.requirement, &[])?,
        requirement: class.requirement.clone(),
        alternatives: Vec::new(),
        order_time: first_order_time(queue, new, class.priority, now),
        want: queue.parallel_offers,
        prefer_until: prefer.as_ref().map(|_| now + queue.prefer(new.channel)),
        prefer,
        exclusions: Vec::new(),
        transfer: None,
        pause_until: None,
    })
}
