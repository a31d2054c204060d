//! A desk in memory: commands go through `decide` and `evolve` exactly as the engine does it, and everything is checked on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use handoff::domain::agent::{Agent, Declared, OpenWork};
use handoff::domain::event::{Actor, Body, Event};
use handoff::domain::id::{AgentId, DeskId, DeskKey, LegId, OfferId, QueueId, TenantId, TicketId, TicketName};
use handoff::domain::leg::{Leg, LegState};
use handoff::domain::offer::Offer;
use handoff::domain::record::{DecisionRecord, OrderTerms, Trigger};
use handoff::domain::requirement::{Band, Channel, Strategy};
use handoff::domain::ticket::{Content, Ticket};
use handoff::domain::time::{Span, Time};
use handoff::routing::command::{Answer, Command, NewTicket, Proposed, SessionMode, Timing};
use handoff::routing::decide::{Decision, decide, decide_in_place, decide_rows};
use handoff::routing::evolve::evolve;
use handoff::routing::reject::Reject;
use handoff::routing::workset::{Changed, Layer, Scope, WorkingSet};

use super::commands::{POLICY, Scene};
use super::{checks, desk};

pub struct World {
    pub ws: WorkingSet<'static>,
    pub now: Time,
    /// Every event so far, from the creation of the desk.
    pub log: Vec<Event>,
    /// What was asked, and what it came to, for the report of a failure.
    pub trace: Vec<Asked>,
}

/// A command, when it was asked, and the refusal or the place of its events in the log. Put into words only where something
/// failed: that costs more than all the rest.
pub struct Asked {
    at: Time,
    command: Command,
    outcome: Result<Range<usize>, Reject>,
}

pub const START: Time = Time(1_700_000_000_000_000);

impl World {
    /// A desk with its connectors and agents, nobody on duty.
    pub fn closed() -> World {
        let key = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("help").expect("a name") };
        let mut world = World { ws: WorkingSet::empty(key), now: START, log: Vec::new(), trace: Vec::new() };
        world.call(Command::CreateDesk { display_name: Arc::from("Help"), time_zone: Arc::from("UTC") });
        set_policy(world.ws.scope.as_mut().expect("just created"));
        for connector in desk::connectors() {
            world.call(Command::CreateConnector { connector: Box::new(connector) });
        }
        for (agent, profile) in desk::agents() {
            world.call(Command::CreateAgent { agent, profile: Box::new(profile) });
        }
        world
    }

    /// The same with everybody READY.
    pub fn open() -> World {
        let mut world = World::closed();
        for (agent, _) in desk::agents() {
            world.come(agent.as_str());
        }
        world
    }

    /// The agent connects and says READY.
    pub fn come(&mut self, agent: &str) {
        let agent = desk::agent_id(agent);
        self.call(start_session(&agent, "desk", SessionMode::Join, "s", None));
        self.call(set_state(agent.as_str(), Declared::Ready));
    }

    /// Carries out a command that must be accepted.
    #[track_caller]
    pub fn call(&mut self, command: Command) -> Answer {
        match self.attempt(&command) {
            Ok(answer) => answer,
            Err(reject) => panic!("refused: {reject:?}\n{command:?}"),
        }
    }

    /// Carries out a command that must be refused.
    #[track_caller]
    pub fn refused(&mut self, command: Command) -> Reject {
        match self.attempt(&command) {
            Ok(answer) => panic!("not refused: {answer:?}\n{command:?}"),
            Err(reject) => reject,
        }
    }

    #[track_caller]
    pub fn attempt(&mut self, command: &Command) -> Result<Answer, Reject> {
        match self.run(command) {
            Ok(outcome) => outcome,
            Err(broken) => panic!("{broken}\n{}", self.said(usize::MAX)),
        }
    }

    /// One command, interning first what the desk lacks. `Err`: something that must never happen.
    pub fn run(&mut self, command: &Command) -> Result<Result<Answer, Reject>, String> {
        for _ in 0..4 {
            match self.step(command)? {
                Err(Reject::NeedsIntern { lanes, groups }) => {
                    self.step(&Command::Intern { lanes, groups })?.map_err(|reject| format!("intern: {reject:?}"))?;
                }
                outcome => return Ok(outcome),
            }
        }
        Err("interning does not end".into())
    }

    fn step(&mut self, command: &Command) -> Result<Result<Answer, Reject>, String> {
        self.count_waiting();
        let actor = Actor::Caller;
        let mut loaded = self.loaded(command);
        let decided = caught(|| decide_rows(&self.ws, command, &actor, self.now));
        let (whole, worked_out) = match decided {
            Ok(Ok((decision, worked_out))) => (Ok(Ok(decision)), Some(worked_out)),
            Ok(Err(reject)) => (Ok(Err(reject)), None),
            Err(panic) => (Err(panic), None),
        };
        let place = |decision: &Decision| self.log.len()..self.log.len() + decision.events.len();
        let outcome = whole.as_ref().map_or(Ok(0..0), |whole| whole.as_ref().map(place).map_err(Clone::clone));
        self.trace.push(Asked { at: self.now, command: command.clone(), outcome });
        let whole = whole.map_err(|panic| format!("decide panicked: {panic}"))?;
        let part = caught(|| match worked_out {
            Some(_) => decide_in_place(&mut loaded, command, &actor, self.now),
            // A refusal may come after the first event, which rows that are changed in place would keep.
            None => decide(&loaded, command, &actor, self.now),
        });
        let part = part.map_err(|panic| format!("decide panicked on the loaded rows: {panic}"))?;
        if whole != part {
            return Err(format!("the rows that the command loads are not all it looks at:\n{whole:?}\n{part:?}"));
        }
        let Decision { events, answer } = match whole {
            Ok(decision) => decision,
            Err(reject) => return Ok(Err(reject)),
        };
        let before = Before { agents: self.ws.agents.all(), tickets: self.ws.tickets.all() };
        for event in &events {
            checks::before_event(&self.ws, event)?;
            caught(|| evolve(&mut self.ws, event)).map_err(|panic| format!("evolve panicked: {panic}"))?;
            self.log.push(event.clone());
        }
        checks::after_command(self, &before, &events)?;
        if let Some(worked_out) = worked_out {
            self.same_rows(&worked_out)?;
            let (agents, tickets) = (loaded.agents.take_noted(), loaded.tickets.take_noted());
            if !agents.eq(worked_out.agents.keys().cloned()) || !tickets.eq(worked_out.tickets.keys().copied()) {
                return Err(format!("deciding in place does not note the rows it changes: {worked_out:?}"));
            }
            self.same_rows(&loaded.into_changed())?;
        }
        Ok(Ok(answer))
    }

    /// The last so many commands, in words.
    pub fn said(&self, most: usize) -> String {
        let last = &self.trace[self.trace.len().saturating_sub(most)..];
        let line = |asked: &Asked| {
            let at = asked.at.0 - START.0;
            match &asked.outcome {
                Ok(place) => {
                    let end = place.end.min(self.log.len());
                    format!("{at} {:?} -> {:?}", asked.command, &self.log[place.start.min(end)..end])
                }
                Err(reject) => format!("{at} {:?} -> {reject:?}", asked.command),
            }
        };
        last.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The rows that deciding worked out are those that evolving gives.
    fn same_rows(&self, worked_out: &Changed) -> Result<(), String> {
        let agents = worked_out.agents.iter().all(|(id, row)| self.ws.agents.get(id) == Some(row));
        let tickets = worked_out.tickets.iter().all(|(id, row)| self.ws.tickets.get(id) == Some(row));
        let held = worked_out.conversations.iter().all(|(key, row)| self.ws.conversations.get(key) == Some(row));
        let desk = |scope: &Option<Scope>| scope.as_ref().map(|scope| (scope.desk.clone(), scope.connectors.clone()));
        if agents && tickets && held && desk(&worked_out.scope) == desk(&self.ws.scope) {
            return Ok(());
        }
        Err(format!("the rows that were worked out are not those of the events: {worked_out:?}"))
    }

    /// What the store brings for a command: its roots and what follows from them.
    fn loaded(&self, command: &Command) -> WorkingSet<'static> {
        let roots = command.roots();
        let mut ws = WorkingSet::empty(self.ws.key.clone());
        ws.scope.clone_from(&self.ws.scope);
        ws.waiting.clone_from(&self.ws.waiting);
        let mut agents: BTreeSet<AgentId> = roots.agents.into_iter().chain(roots.agents_with_work.clone()).collect();
        let mut tickets: BTreeSet<TicketId> = roots.tickets.into_iter().collect();
        let mut keys: BTreeSet<_> = roots.conversations.into_iter().collect();
        for agent in &roots.agents_with_work {
            tickets.extend(self.tickets().filter(|ticket| works_on(ticket, agent)).map(|ticket| ticket.id));
        }
        for ticket in tickets.iter().filter_map(|id| self.ws.tickets.get(id)) {
            agents.extend(ticket.concerned_agents().into_iter().cloned());
            keys.extend(ticket.content.conversation_keys.iter().map(|key| (ticket.connector.clone(), key.clone())));
        }
        for key in keys {
            if let Some(held) = self.ws.conversations.get(&key) {
                tickets.extend(held.as_ref());
                ws.conversations.insert(key, held.clone());
            }
        }
        copy(&self.ws.agents, &mut ws.agents, agents);
        copy(&self.ws.tickets, &mut ws.tickets, tickets);
        ws
    }

    /// Counts who waits in the queues that have an upper bound.
    fn count_waiting(&mut self) {
        let Some(scope) = &self.ws.scope else { return };
        let policy = scope.current_policy().clone();
        let bounded = policy.queues.values().filter(|queue| queue.max_waiting.is_some());
        let waiting: BTreeMap<QueueId, u32> = bounded
            .map(|queue| {
                let legs = self.tickets().filter(|ticket| ticket.queue == queue.id).flat_map(|ticket| &ticket.legs);
                let count = legs.filter(|leg| leg.state == LegState::Waiting).count();
                (queue.id.clone(), count as u32)
            })
            .collect();
        self.ws.waiting = waiting;
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene { rows: &self.ws, now: self.now, nth: self.trace.len(), policies: ["", POLICY] }
    }

    pub fn tickets(&self) -> impl Iterator<Item = &Arc<Ticket>> {
        self.ws.tickets.own().values()
    }

    #[track_caller]
    pub fn ticket(&self, id: TicketId) -> &Ticket {
        self.ws.tickets.get(&id).expect("a ticket")
    }

    #[track_caller]
    pub fn agent(&self, name: &str) -> &Agent {
        self.ws.agents.get(&desk::agent_id(name)).expect("an agent")
    }

    #[track_caller]
    pub fn leg(&self, id: LegId) -> &Leg {
        self.ticket(id.ticket).leg(id.leg).expect("a leg")
    }

    #[track_caller]
    pub fn offer(&self, id: OfferId) -> &Offer {
        self.leg(id.leg).offers.iter().find(|offer| offer.id == id).expect("an offer")
    }

    /// The ticket's pending leg.
    #[track_caller]
    pub fn pending(&self, id: TicketId) -> &Leg {
        self.ticket(id).pending_leg().expect("a pending leg")
    }

    /// Lets time pass without anything being due.
    pub fn wait(&mut self, span: Span) {
        self.now = self.now + span;
    }

    /// Lets time pass, and every row whose deadline has come by then be ticked.
    #[track_caller]
    pub fn pass(&mut self, secs: i64) {
        self.now = self.now + Span::from_secs(secs);
        self.tick_all();
    }

    #[track_caller]
    pub fn tick_all(&mut self) {
        for command in self.due() {
            self.call(command);
        }
    }

    pub fn due(&self) -> Vec<Command> {
        let passed = |due: Option<Time>| due.is_some_and(|due| due <= self.now);
        let agents = self.ws.agents.own().values().filter(|row| passed(row.next_due_at) && !row.deleted);
        let tickets = self.tickets().filter(|row| passed(row.next_due_at));
        let agents = agents.map(|row| Command::TickAgent { agent: row.id.clone() });
        agents.chain(tickets.map(|row| Command::TickTicket { ticket: row.id })).collect()
    }

    /// A ticket on a channel, by its connector, changed as wanted before it is created.
    #[track_caller]
    pub fn create(&mut self, name: &str, channel: Channel, change: impl FnOnce(&mut NewTicket)) -> TicketId {
        let mut new = new_ticket(name, channel);
        change(&mut new);
        let id = new.id;
        self.call(Command::CreateTicket(Box::new(new)));
        id
    }

    /// Offers the ticket's waiting leg to these agents.
    #[track_caller]
    pub fn propose(&mut self, ticket: TicketId, agents: &[&str]) -> Vec<OfferId> {
        let leg = self.pending(ticket).n;
        let command = self.proposal(LegId { ticket, leg }, agents);
        self.call(command);
        self.leg(LegId { ticket, leg }).pending_offers().map(|offer| offer.id).collect()
    }

    pub fn proposal(&self, leg: LegId, agents: &[&str]) -> Command {
        let proposed = agents.iter().map(|name| {
            let row = self.agent(name);
            let session = row.session.as_ref().map_or(0, |session| session.epoch);
            Proposed { agent: row.id.clone(), number: row.number, session }
        });
        Command::Propose {
            leg,
            leg_ver: self.leg(leg).ver,
            agents: proposed.collect(),
            record: Box::new(record(self.now)),
        }
    }

    /// Offers and accepts, connected at once: the agent handles the ticket afterwards.
    #[track_caller]
    pub fn handle(&mut self, ticket: TicketId, agent: &str) -> LegId {
        let leg = LegId { ticket, leg: self.pending(ticket).n };
        if let Some(offer) = self.propose(ticket, &[agent]).first().copied() {
            self.call(self.accept(offer, "desk", true));
        }
        assert_eq!(self.ticket(ticket).handler(), Some(&desk::agent_id(agent)));
        leg
    }

    pub fn accept(&self, offer: OfferId, device: &str, connected: bool) -> Command {
        Command::AcceptOffer { offer, session: self.offer(offer).session, device: Arc::from(device), connected }
    }
}

/// The rows before a command.
pub struct Before {
    pub agents: BTreeMap<AgentId, Arc<Agent>>,
    pub tickets: BTreeMap<TicketId, Arc<Ticket>>,
}

pub fn set_policy(scope: &mut Scope) {
    Arc::make_mut(&mut scope.policies).insert(1, Arc::new(desk::policy()));
    Arc::make_mut(&mut scope.desk).policy_rev = 1;
}

fn works_on(ticket: &Ticket, agent: &AgentId) -> bool {
    ticket.open_legs().any(|leg| {
        let offered = leg.offers.iter().any(|offer| offer.is_open() && offer.agent == *agent);
        let waits = leg.state == LegState::Waiting && leg.prefer.as_ref() == Some(agent);
        offered || waits || leg.agent.as_ref() == Some(agent)
    })
}

fn copy<K: Ord + Clone, V: Clone>(from: &Layer<'_, K, V>, to: &mut Layer<'_, K, V>, keys: BTreeSet<K>) {
    for key in keys {
        if let Some(row) = from.get(&key) {
            to.insert(key, row.clone());
        }
    }
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

pub fn ticket_id(name: &str) -> TicketId {
    TicketId::of_name(&TicketName::parse(name).expect("a name"))
}

pub fn new_ticket(name: &str, channel: Channel) -> NewTicket {
    let connector = if channel == Channel::Phone { "tel" } else { "web" };
    NewTicket {
        id: ticket_id(name),
        name: TicketName::parse(name).expect("a name"),
        connector: desk::connector_id(connector),
        instance: Arc::from("one"),
        channel,
        band: None,
        priority: None,
        category: Arc::from(""),
        language: Arc::from(""),
        parent: None,
        requirement: Default::default(),
        preferred: Vec::new(),
        arrival_time: None,
        schedule_time: None,
        content: Content::default(),
    }
}

pub fn record(now: Time) -> DecisionRecord {
    DecisionRecord {
        roster_seq: 0,
        decide_time: now,
        policy_rev: 1,
        trigger: Trigger::LegArrived,
        order: OrderTerms { band: Band::Live, virtual_arrival_time: now, ahead: 0 },
        strategy: Strategy::Scarce,
        preferred: None,
        candidates: Vec::new(),
        omitted: 0,
        unfit: BTreeMap::new(),
    }
}

pub fn start_session(agent: &AgentId, device: &str, mode: SessionMode, secret: &str, shown: Option<&str>) -> Command {
    Command::StartSession {
        agent: agent.clone(),
        device: Arc::from(device),
        mode,
        secret_hash: Arc::from(secret),
        shown_hash: shown.map(Arc::from),
    }
}

pub fn set_state(agent: &str, declared: Declared) -> Command {
    let (timing, open_work) = (Timing::Now, OpenWork::Keep);
    Command::SetAgentState { agent: desk::agent_id(agent), declared, timing, open_work }
}

/// Folds a log from nothing, through its stored form.
pub fn fold(log: &[Event], key: &DeskKey) -> WorkingSet<'static> {
    let mut ws = WorkingSet::empty(key.clone());
    for event in log {
        let text = serde_json::to_string(event).expect("an event is written");
        let read: Event = serde_json::from_str(&text).expect("an event is read");
        evolve(&mut ws, &read);
        if matches!(read.body, Body::DeskCreated { .. }) {
            set_policy(ws.scope.as_mut().expect("just created"));
        }
    }
    ws
}
