//! The play: arrivals, agents and customers on a [`World`], event by event, on a clock that jumps from one to the next.
//!
//! [`Run::step`] goes on until a customer's waiting is over. Among events of the same time, what was planned first comes first,
//! and an arrival last: who becomes free at that very moment is there for it.

mod cast;
mod plan;

use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::iter::Peekable;
use std::sync::Arc;

use rand::rngs::StdRng;
use uuid::Uuid;

pub use cast::{Arrival, Kind, Person};
use cast::{by_itself, connector, telephony};
use plan::{Happening, Planned};

use super::world::{Broken, Standing, World};
use crate::domain::agent::{Declared, OpenWork};
use crate::domain::id::{AgentId, ConnectorId, LegId, OfferId, TicketId, TicketName};
use crate::domain::leg::EndedBy;
use crate::domain::requirement::Channel;
use crate::domain::ticket::{CancelReason, Content, Ticket, TicketState};
use crate::domain::time::{Span, Time};
use crate::entropy;
use crate::policy::Policy;
use crate::routing::command::{Command, NewResolution, NewTicket, SessionMode, Timing};

/// When a simulation begins, unless its arrivals say otherwise: 2025-01-01T00:00:00Z.
pub const START: Time = Time(1_735_689_600_000_000);

/// Generators of a seed by what they are for; arrivals have those from [`ARRIVALS`] on.
const ANSWERS: u64 = 0;
pub const ARRIVALS: u64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answered,
    GaveUp,
}

/// A customer whose waiting is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Of the arrival, from 0.
    pub number: u64,
    pub kind: usize,
    pub at: Time,
    pub wait: Span,
    pub fate: Fate,
}

/// What a group of agents did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Load in percent times microseconds.
    pub busy: i128,
    /// Microseconds on duty, of all agents together.
    pub on_duty: i128,
}

pub struct Run<A: Iterator<Item = Arrival>> {
    world: World,
    kinds: Vec<Kind>,
    people: Vec<Person>,
    arrivals: Peekable<A>,
    answers: StdRng,
    heap: BinaryHeap<Planned>,
    planned: u64,
    now: Time,
    created: u64,
    name: TicketName,
    connector: ConnectorId,
    nothing: Arc<str>,
    cases: BTreeMap<TicketId, Case>,
    settled: VecDeque<Settled>,
    meters: Vec<Meter>,
    usage: Vec<Usage>,
    changed_tickets: Vec<TicketId>,
    changed_agents: Vec<Standing>,
}

/// What is known of a customer beside the ticket's row.
struct Case {
    number: u64,
    kind: usize,
    at: Time,
    handling: Span,
    answered: bool,
    /// The deadline that a tick is planned for.
    due: Option<Time>,
    /// The offer whose answer is planned.
    offer: Option<OfferId>,
}

/// Since when an agent has had this load.
#[derive(Clone, Copy, Default)]
struct Meter {
    since: Time,
    load: u16,
    on_duty: bool,
}

impl<A: Iterator<Item = Arrival>> Run<A> {
    /// `arrivals` in order of time.
    ///
    /// # Errors
    /// When a person's profile is none that the desk takes.
    pub fn new(
        policy: Policy,
        kinds: Vec<Kind>,
        people: Vec<Person>,
        arrivals: A,
        seed: u64,
        start: Time,
    ) -> Result<Run<A>, Broken> {
        let mut world = World::new(policy, start)?;
        world.call(&Command::CreateConnector { connector: Box::new(telephony(start)) }, start)?;
        let groups = people.iter().map(|person| person.group + 1).max().unwrap_or(0);
        let mut run = Run {
            world,
            kinds,
            meters: vec![Meter { since: start, ..Meter::default() }; people.len()],
            people,
            arrivals: arrivals.peekable(),
            answers: entropy::stream(seed, ANSWERS),
            heap: BinaryHeap::new(),
            planned: 0,
            now: start,
            created: 0,
            name: TicketName::parse("simulated").expect("a name"),
            connector: connector(),
            nothing: Arc::from(""),
            cases: BTreeMap::new(),
            settled: VecDeque::new(),
            usage: vec![Usage::default(); groups],
            changed_tickets: Vec::new(),
            changed_agents: Vec::new(),
        };
        for at in 0..run.people.len() {
            run.hire(at)?;
        }
        Ok(run)
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// Customers who came so far.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// What each group did until now.
    pub fn usage(&mut self) -> Vec<Usage> {
        for at in 0..self.meters.len() {
            self.read_meter(at);
        }
        self.usage.clone()
    }

    /// Goes on until the next customer is answered or gives up; `None`: nothing is left to happen.
    ///
    /// # Errors
    /// [`Broken`]: a bug in the router, or a scenario that the desk refuses.
    pub fn step(&mut self) -> Result<Option<Settled>, Broken> {
        loop {
            if let Some(settled) = self.settled.pop_front() {
                return Ok(Some(settled));
            }
            let next = self.arrivals.peek().map(|arrival| arrival.at);
            let first = self.heap.peek().map(|planned| planned.at);
            match (first, next) {
                (None, None) => return Ok(None),
                (Some(first), next) if next.is_none_or(|next| first <= next) => {
                    let Some(planned) = self.heap.pop() else { continue };
                    self.now = planned.at;
                    self.happen(planned.what)?;
                }
                _ => {
                    let Some(arrival) = self.arrivals.next() else { continue };
                    self.now = arrival.at;
                    self.arrive(arrival)?;
                }
            }
            self.follow();
        }
    }

    fn plan(&mut self, at: Time, what: Happening) {
        self.planned += 1;
        self.heap.push(Planned { at: at.max(self.now), nth: self.planned, what });
    }

    /// Puts an agent on the desk, and the shifts into the plan.
    fn hire(&mut self, at: usize) -> Result<(), Broken> {
        let person = &self.people[at];
        let mut profile = person.profile.clone();
        if person.answer.is_none() {
            // Who answers at once takes the offer as it is made.
            profile.endpoints = Channel::ALL.map(by_itself).to_vec();
        }
        let command = Command::CreateAgent { agent: person.name.clone(), profile: Box::new(profile) };
        self.world.call(&command, self.now)?;
        for (from, until) in person.shifts.clone() {
            self.plan(from, Happening::ComesOn(at));
            if until.0 != i64::MAX {
                self.plan(until, Happening::GoesOff(at));
            }
        }
        Ok(())
    }

    fn arrive(&mut self, arrival: Arrival) -> Result<(), Broken> {
        let kind = &self.kinds[arrival.kind];
        let id = TicketId(Uuid::from_u128(u128::from(self.created)));
        let new = NewTicket {
            id,
            // Nobody looks a ticket up by its name here.
            name: self.name.clone(),
            connector: self.connector.clone(),
            instance: self.nothing.clone(),
            channel: kind.channel,
            band: None,
            priority: kind.priority,
            category: self.nothing.clone(),
            language: self.nothing.clone(),
            parent: None,
            requirement: kind.requirement.clone(),
            preferred: Vec::new(),
            arrival_time: (arrival.credit > Span::ZERO).then(|| self.now - arrival.credit),
            schedule_time: None,
            content: Content::default(),
        };
        let (number, Arrival { at, kind, handling, patience, .. }) = (self.created, arrival);
        self.created += 1;
        self.cases.insert(id, Case { number, kind, at, handling, answered: false, due: None, offer: None });
        self.world.create(new, self.now)?;
        self.follow();
        let waits = self.cases.get(&id).is_some_and(|case| !case.answered);
        if let Some(patience) = patience.filter(|_| waits) {
            self.plan(self.now + patience, Happening::GivesUp(id));
        }
        Ok(())
    }

    fn happen(&mut self, what: Happening) -> Result<(), Broken> {
        let now = self.now;
        match what {
            Happening::ComesOn(at) => {
                let agent = self.people[at].name.clone();
                let (device, mode) = (Arc::from("desk"), SessionMode::Join);
                if self.world.agent(&agent).is_some_and(|row| row.session.is_none()) {
                    let (agent, secret_hash) = (agent.clone(), Arc::from(""));
                    self.world
                        .call(&Command::StartSession { agent, device, mode, secret_hash, shown_hash: None }, now)?;
                }
                self.world.call(&declare(agent, Declared::Ready), now)
            }
            Happening::GoesOff(at) => self.world.call(&declare(self.people[at].name.clone(), Declared::Offline), now),
            Happening::Answers(offer) => self.answer(offer),
            Happening::Ends(id) => self.end(id),
            Happening::GivesUp(id) => {
                let Some(case) = self.cases.get_mut(&id).filter(|case| !case.answered) else { return Ok(()) };
                case.answered = true;
                let (number, kind, at) = (case.number, case.kind, case.at);
                self.settled.push_back(Settled { number, kind, at, wait: now - at, fate: Fate::GaveUp });
                let reason = CancelReason::CustomerLeft;
                self.world.call(&Command::CancelTicket { ticket: id, reason, missing: None }, now)
            }
            Happening::Due(id) => {
                let Some(case) = self.cases.get_mut(&id) else { return Ok(()) };
                case.due = None;
                self.changed_tickets.push(id);
                let due = self.world.ticket(id).and_then(|row| row.next_due_at);
                if due.is_some_and(|due| due <= now) {
                    return self.world.attempt(&Command::TickTicket { ticket: id }, now);
                }
                Ok(())
            }
        }
    }

    fn answer(&mut self, offer: OfferId) -> Result<(), Broken> {
        let row = self.world.ticket(offer.leg.ticket).and_then(|ticket| ticket.leg(offer.leg.leg));
        let pending = row.and_then(|leg| leg.pending_offers().find(|known| known.id == offer));
        let Some(session) = pending.map(|offer| offer.session) else { return Ok(()) };
        let command = Command::AcceptOffer { offer, session, device: Arc::from("desk"), connected: true };
        self.world.attempt(&command, self.now)
    }

    /// The contact is over. Where the queue would leave the ticket with its agent, the agent resolves it.
    fn end(&mut self, id: TicketId) -> Result<(), Broken> {
        let Some(leg) = self.world.ticket(id).and_then(|ticket| ticket.active_leg()).map(|leg| leg.n) else {
            return Ok(());
        };
        let leg = LegId { ticket: id, leg };
        self.world.call(&Command::EndLeg { leg, ended_by: EndedBy::Agent }, self.now)?;
        let kept = self
            .world
            .ticket(id)
            .is_some_and(|row| row.state == TicketState::Assigned && row.open_legs().next().is_none());
        if kept {
            let (text, code) = (Arc::from(""), Arc::from(""));
            let resolution = Box::new(NewResolution { text, code, first_contact: None, concession: None });
            self.world.call(&Command::ResolveTicket { ticket: id, resolution, etag: None }, self.now)?;
        }
        Ok(())
    }

    /// Looks at what changed: who was answered, what has to be planned, whose load is another.
    fn follow(&mut self) {
        self.world.changed_tickets(&mut self.changed_tickets);
        self.world.changed_agents(&mut self.changed_agents);
        let mut tickets = std::mem::take(&mut self.changed_tickets);
        tickets.dedup();
        tickets.drain(..).for_each(|id| self.follow_ticket(id));
        self.changed_tickets = tickets;
        let mut agents = std::mem::take(&mut self.changed_agents);
        for standing in agents.drain(..) {
            // Numbers are given in the order of hiring, from 1.
            let at = standing.number.0 as usize - 1;
            self.read_meter(at);
            let meter = &mut self.meters[at];
            (meter.load, meter.on_duty) = (standing.load, standing.on_duty);
        }
        self.changed_agents = agents;
    }

    fn follow_ticket(&mut self, id: TicketId) {
        let (Some(row), Some(case)) = (self.world.ticket(id), self.cases.get_mut(&id)) else { return };
        if is_over(row) {
            self.world.forget(id);
            self.cases.remove(&id);
            return;
        }
        let now = self.now;
        let mut plans: [Option<(Time, Happening)>; 2] = [None, None];
        if !case.answered && row.active_leg().is_some() {
            case.answered = true;
            let (number, kind, at) = (case.number, case.kind, case.at);
            self.settled.push_back(Settled { number, kind, at, wait: now - at, fate: Fate::Answered });
            plans[0] = Some((now + case.handling, Happening::Ends(id)));
        } else if !case.answered
            && let Some(offer) = row.pending_leg().and_then(|leg| leg.pending_offers().next())
            && case.offer != Some(offer.id)
        {
            case.offer = Some(offer.id);
            let person = self.world.agent(&offer.agent).and_then(|row| self.people.get(row.number.0 as usize - 1));
            let delay = person.and_then(|person| person.answer).map(|answer| answer.draw(&mut self.answers));
            plans[0] = delay.map(|delay| (now + delay, Happening::Answers(offer.id)));
        }
        if row.next_due_at != case.due {
            case.due = row.next_due_at;
            plans[1] = row.next_due_at.map(|due| (due, Happening::Due(id)));
        }
        plans.into_iter().flatten().for_each(|(at, what)| self.plan(at, what));
    }

    /// Counts what an agent did since the last look.
    fn read_meter(&mut self, at: usize) {
        let meter = &mut self.meters[at];
        let usage = &mut self.usage[self.people[at].group];
        let passed = i128::from((self.now - meter.since).micros());
        usage.busy += passed * i128::from(meter.load);
        usage.on_duty += if meter.on_duty { passed } else { 0 };
        meter.since = self.now;
    }
}

/// Nothing of it is waited for any more; that it may be reopened for a while is left out.
fn is_over(row: &Ticket) -> bool {
    match row.state {
        TicketState::Closed | TicketState::Cancelled | TicketState::Resolved => row.open_legs().next().is_none(),
        TicketState::Open | TicketState::Queued | TicketState::Assigned | TicketState::OnHold => false,
    }
}

fn declare(agent: AgentId, declared: Declared) -> Command {
    Command::SetAgentState { agent, declared, timing: Timing::AfterCurrent, open_work: OpenWork::Keep }
}
