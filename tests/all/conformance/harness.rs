//! Does what the engine does with a store (decide in a layer, evolve, intern what is missing), and builds desks to do it on.

use std::collections::BTreeMap;
use std::sync::Arc;

use handoff::domain::agent::{Accepts, Agent, Declared, Endpoint, OpenWork, Profile};
use handoff::domain::connector::Connector;
use handoff::domain::event::{Actor, Entry, Event};
use handoff::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, QueueId, TenantId, TicketId, TicketName};
use handoff::domain::log::Selection;
use handoff::domain::record::{DecisionRecord, OrderTerms, Trigger};
use handoff::domain::requirement::{Band, Channel, Expertise, Requirement, Strategy};
use handoff::domain::ticket::{Content, Ticket};
use handoff::domain::time::{Span, Time};
use handoff::routing::command::{Answer, Command, NewTicket, Proposed, Roots, SessionMode, Timing};
use handoff::routing::decide::decide;
use handoff::routing::evolve::evolve;
use handoff::routing::reject::Reject;
use handoff::routing::workset::WorkingSet;
use handoff::store::{Committed, DedupKey, Error, Loaded, Page, Request, Store, StoredAnswer, TicketFilter, Work};

pub const START: Time = Time(1_760_000_000_000_000);

pub fn at(seconds: i64) -> Time {
    START + Span::from_secs(seconds)
}

pub fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("a valid name")
}

pub fn connector(name: &str) -> ConnectorId {
    ConnectorId::parse(name).expect("a valid name")
}

pub fn queue(name: &str) -> QueueId {
    QueueId::parse(name).expect("a valid name")
}

pub fn ticket(name: &str) -> TicketId {
    TicketId::of_name(&TicketName::parse(name).expect("a valid name"))
}

pub fn desk(tenant: &str, desk: &str) -> DeskKey {
    DeskKey { tenant: TenantId::parse(tenant).expect("a valid name"), desk: DeskId::parse(desk).expect("a valid name") }
}

pub fn main_desk() -> DeskKey {
    desk("default", "main")
}

pub fn page<K>(after: Option<K>, limit: u32) -> Page<K> {
    Page { after, limit }
}

/// A command on a desk, and the key under which its answer is kept.
#[derive(Clone)]
pub struct Call {
    pub desk: DeskKey,
    pub command: Command,
    pub roots: Roots,
    pub dedup: Option<DedupKey>,
}

impl Call {
    pub fn new(desk: &DeskKey, command: Command) -> Call {
        Call { desk: desk.clone(), roots: command.roots(), command, dedup: None }
    }
}

pub type Outcome = Vec<Result<Answer, Reject>>;

/// Decides and commits a batch, each command upon the rows that the ones before it left.
pub async fn batch<S: Store>(store: &S, calls: Vec<Call>, now: Time) -> Result<Committed<Outcome>, Error> {
    let requests = calls
        .iter()
        .map(|call| Request { desk: call.desk.clone(), roots: call.roots.clone(), dedup: call.dedup.clone() })
        .collect();
    store.transact(requests, move |loaded| work(loaded, &calls, now)).await
}

pub fn work<'a>(loaded: &'a Loaded, calls: &[Call], now: Time) -> Work<'a, Outcome> {
    let mut layers: BTreeMap<&DeskKey, WorkingSet<'a>> =
        loaded.desks.iter().map(|(key, set)| (key, set.layer())).collect();
    let mut events: Vec<(DeskKey, Event)> = Vec::new();
    let mut answers = Vec::new();
    let mut value = Vec::new();
    for call in calls {
        let layer = layers.get_mut(&call.desk).expect("every desk of the batch is loaded");
        value.push(decide(layer, &call.command, &Actor::Caller, now).map(|decision| {
            for event in decision.events {
                evolve(layer, &event);
                events.push((call.desk.clone(), event));
            }
            let answer = StoredAnswer { request_hash: Arc::from("hash"), answer: decision.answer.clone() };
            answers.extend(call.dedup.clone().map(|key| (key, answer)));
            decision.answer
        }));
    }
    Work { changed: layers.into_values().collect(), events, answers, value }
}

/// A desk on a store, with the model beside it: the rows that the committed events make, text included.
pub struct Driver<'s, S> {
    pub store: &'s S,
    pub key: DeskKey,
    pub model: WorkingSet<'static>,
    pub entries: Vec<Arc<Entry>>,
}

impl<'s, S: Store> Driver<'s, S> {
    /// A desk with a telephone exchange, a chat widget and an agent's telephony, and no agent.
    pub async fn new(store: &'s S, key: &DeskKey) -> Driver<'s, S> {
        let model = WorkingSet::empty(key.clone());
        let mut driver = Driver { store, key: key.clone(), model, entries: Vec::new() };
        let create = Command::CreateDesk { display_name: Arc::from("Main"), time_zone: Arc::from("Europe/Tallinn") };
        driver.done(create, at(0)).await;
        for name in ["pbx", "web", "softphone"] {
            driver.done(Command::CreateConnector { connector: Box::new(new_connector(name)) }, at(0)).await;
        }
        driver
    }

    /// Commits a command, after what it needs interned; says why it was refused.
    pub async fn try_commit(&mut self, command: Command, now: Time) -> Result<Answer, Reject> {
        match self.commit_once(command.clone(), now).await {
            Err(Reject::NeedsIntern { lanes, groups }) => {
                self.commit_once(Command::Intern { lanes, groups }, now).await?;
                self.commit_once(command, now).await
            }
            outcome => outcome,
        }
    }

    async fn commit_once(&mut self, command: Command, now: Time) -> Result<Answer, Reject> {
        let committed = batch(self.store, vec![Call::new(&self.key, command)], now).await.expect("the store answers");
        self.follow(&committed);
        committed.value.into_iter().next().expect("one answer")
    }

    /// Brings the model up to what was committed.
    pub fn follow<T>(&mut self, committed: &Committed<T>) {
        for entry in committed.entries.iter().filter(|(key, _)| *key == self.key).flat_map(|(_, entries)| entries) {
            evolve(&mut self.model, &entry.event);
            self.entries.push(entry.clone());
        }
    }

    pub async fn done(&mut self, command: Command, now: Time) -> Answer {
        let what = format!("{command:?}");
        self.try_commit(command, now).await.unwrap_or_else(|reject| panic!("{what}: {reject}"))
    }

    /// An agent on duty, on the softphone for calls.
    pub async fn agent(&mut self, name: &str) {
        let id = agent(name);
        self.done(Command::CreateAgent { agent: id.clone(), profile: Box::new(profile()) }, at(0)).await;
        let session = Command::StartSession {
            agent: id.clone(),
            device: Arc::from("laptop"),
            mode: SessionMode::Join,
            secret_hash: Arc::from("00"),
            shown_hash: None,
        };
        self.done(session, at(1)).await;
        self.declare(name, Declared::Ready, at(1)).await;
    }

    pub async fn declare(&mut self, name: &str, declared: Declared, now: Time) {
        let (timing, open_work) = (Timing::Now, OpenWork::Keep);
        self.done(Command::SetAgentState { agent: agent(name), declared, timing, open_work }, now).await;
    }

    pub async fn create(&mut self, name: &str, channel: Channel, now: Time) -> TicketId {
        self.create_with(new_ticket(name, channel), now).await
    }

    pub async fn create_with(&mut self, new: NewTicket, now: Time) -> TicketId {
        let id = new.id;
        self.done(Command::CreateTicket(Box::new(new)), now).await;
        id
    }

    /// Offers the ticket's waiting leg.
    pub async fn propose(&mut self, id: TicketId, to: &[&str], now: Time) -> Result<Answer, Reject> {
        let Some(command) = self.proposal(id, to, now) else { return Err(Reject::Stale) };
        self.try_commit(command, now).await
    }

    /// `None`: nothing of the ticket waits.
    pub fn proposal(&self, id: TicketId, to: &[&str], now: Time) -> Option<Command> {
        let row = self.row(id);
        let leg = row.pending_leg()?;
        let proposed = |name: &&str| {
            let row = self.model.agents.get(&agent(name)).expect("an agent of the desk");
            let session = row.session.as_ref().map_or(0, |session| session.epoch);
            Proposed { agent: row.id.clone(), number: row.number, session }
        };
        Some(Command::Propose {
            leg: leg_id(&row),
            leg_ver: leg.ver,
            agents: to.iter().map(proposed).collect(),
            record: Box::new(record(now)),
        })
    }

    /// Offers it and has it accepted; on a channel that is confirmed, confirmed too.
    pub async fn give(&mut self, id: TicketId, to: &str, now: Time) {
        self.propose(id, &[to], now).await.expect("the offer is made");
        let offer = self.row(id).pending_leg().and_then(|leg| leg.offers.last().cloned()).expect("an offer");
        let accept = Command::AcceptOffer {
            offer: offer.id,
            session: offer.session,
            device: Arc::from("laptop"),
            connected: false,
        };
        self.done(accept, now).await;
        if self.row(id).active_leg().is_none() {
            self.done(Command::ConfirmOffer { offer: offer.id }, now).await;
        }
    }

    /// The ticket as the model has it.
    pub fn row(&self, id: TicketId) -> Arc<Ticket> {
        self.model.tickets.get(&id).cloned().expect("a ticket of the desk")
    }

    /// Everything that the store has of the desk is what the model has.
    pub async fn check(&self) {
        for (id, row) in self.model.tickets.own() {
            let stored = self.store.get_ticket(&self.key, *id).await.expect("the store answers");
            assert_eq!(stored.as_ref(), Some(row));
        }
        let all =
            self.store.list_tickets(&self.key, &TicketFilter::default(), page(None, 1_000)).await.expect("answers");
        let mut rows: Vec<Arc<Ticket>> = self.model.tickets.own().values().cloned().collect();
        rows.sort_by_key(|row| (row.create_time, row.id));
        rows.truncate(1_000);
        assert_eq!(all, rows);
        let agents = self.store.list_agents(&self.key, true, page(None, 1_000)).await.expect("the store answers");
        let rows: Vec<Arc<Agent>> = self.model.agents.own().values().cloned().collect();
        assert_eq!(agents, rows);
        let stored = self.store.scope(&self.key).await.expect("the store answers").expect("the desk exists");
        let scope = self.model.scope.as_ref().expect("the desk exists");
        assert_eq!(stored.desk, scope.desk);
        assert_eq!(stored.connectors, scope.connectors);
        assert_eq!(stored.limits, scope.limits);
        assert_eq!(stored.policies, scope.policies);
    }

    /// The numbers of the decisions that a selection holds, as its reader sees them.
    pub async fn log(&self, selection: &Selection) -> Vec<u64> {
        let (rows, head) = self.store.log_after(&self.key, selection, 0, 10_000).await.expect("the store answers");
        assert_eq!(head, self.entries.last().map_or(0, |entry| entry.seq));
        rows.iter().map(|row| row.seq()).collect()
    }
}

pub fn leg_id(row: &Ticket) -> handoff::domain::id::LegId {
    let leg = row.pending_leg().or_else(|| row.legs.last()).expect("a leg");
    handoff::domain::id::LegId { ticket: row.id, leg: leg.n }
}

pub fn new_connector(name: &str) -> Connector {
    Connector {
        id: connector(name),
        ver: 0,
        display_name: Arc::from(name),
        reach: Default::default(),
        channels: Default::default(),
        confirmation: Default::default(),
        affinity: None,
        kinds: Default::default(),
        create_time: START,
        update_time: START,
        deleted: false,
        away: false,
    }
}

pub fn profile() -> Profile {
    Profile {
        display_name: Arc::from("Somebody"),
        expertise: Expertise { tier: 1, team: Arc::from("support"), ..Expertise::default() },
        endpoints: vec![Endpoint {
            channel: Channel::Phone,
            connector: connector("softphone"),
            address: Arc::from("sip:1"),
            accepts: Accepts::Desktop,
            reachability: Default::default(),
            until: None,
        }],
        ..Profile::default()
    }
}

/// A ticket of the exchange for calls, of the widget for everything else.
pub fn new_ticket(name: &str, channel: Channel) -> NewTicket {
    let name = TicketName::parse(name).expect("a valid name");
    NewTicket {
        id: TicketId::of_name(&name),
        connector: connector(if channel == Channel::Phone { "pbx" } else { "web" }),
        instance: Arc::from("one"),
        channel,
        band: None,
        priority: None,
        category: Arc::from(""),
        language: Arc::from(""),
        parent: None,
        requirement: Requirement::default(),
        preferred: Vec::new(),
        arrival_time: None,
        schedule_time: None,
        content: Content { subject: Arc::from(format!("Subject of {name}")), ..Content::default() },
        name,
    }
}

fn record(now: Time) -> DecisionRecord {
    DecisionRecord {
        roster_seq: 1,
        decide_time: now,
        policy_rev: 0,
        trigger: Trigger::LegArrived,
        order: OrderTerms { band: Band::Live, virtual_arrival_time: now, ahead: 0 },
        strategy: Strategy::Scarce,
        preferred: None,
        candidates: Vec::new(),
        omitted: 0,
        unfit: BTreeMap::from([(handoff::domain::record::Unfit::Capacity, 2)]),
    }
}
