//! The engine over the real store and the real index, without the API: what one commit holds, what follows from it, what a
//! restart brings back.

use std::sync::Arc;

use handoff::availability::RESERVATION;
use handoff::availability::memory::MemoryIndex;
use handoff::clock::Clock;
use handoff::domain::agent::{Declared, OpenWork, Profile};
use handoff::domain::connector::Connector;
use handoff::domain::event::{Actor, Body};
use handoff::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, TenantId, TicketId};
use handoff::domain::leg::LegState;
use handoff::domain::offer::DeclineReason;
use handoff::domain::requirement::{Channel, Expertise};
use handoff::domain::ticket::{CancelReason, Infeasibility, Ticket, TicketState};
use handoff::domain::time::Time;
use handoff::engine::{Call, Engine, Failure, Reply};
use handoff::entropy::Entropy;
use handoff::routing::command::{Command, NewTicket, SessionMode, Timing};
use handoff::routing::evolve::evolve;
use handoff::routing::workset::WorkingSet;
use handoff::store::sqlite::SqliteStore;
use handoff::store::{Page, Store};

use crate::harness::{Folder, eventually, opened};

struct Room {
    engine: Engine<SqliteStore, MemoryIndex>,
    desk: DeskKey,
    folder: Folder,
}

impl Room {
    async fn open(folder: Folder) -> Room {
        let clock = Clock::new(1);
        let store = opened(folder.path(), &clock).await;
        let engine = Engine::start(store, MemoryIndex::new(RESERVATION), clock, Entropy::seeded(7)).await;
        let desk = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("room").expect("a name") };
        Room { engine: engine.expect("the engine starts"), desk, folder }
    }

    /// A desk with a connector that somebody is always subscribed for.
    async fn furnished() -> Room {
        let room = Room::open(Folder::new()).await;
        room.run(Command::CreateDesk { display_name: text(""), time_zone: text("UTC") }).await;
        room.run(Command::CreateConnector { connector: Box::new(connector()) }).await;
        room
    }

    async fn call(&self, command: Command) -> Result<Reply, Failure> {
        let (desk, actor) = (self.desk.clone(), Actor::Caller);
        self.engine.submit(Call { desk, actor, command, dedup: None, validate_only: false }).await
    }

    async fn run(&self, command: Command) -> Reply {
        self.call(command).await.expect("it is not refused")
    }

    /// Somebody of a tier with a session, READY. Answers the session's epoch.
    async fn on_duty(&self, name: &str, tier: u8) -> u64 {
        let agent = AgentId::parse(name).expect("a name");
        let profile = Profile { expertise: Expertise { tier, ..Expertise::default() }, ..Profile::default() };
        self.run(Command::CreateAgent { agent: agent.clone(), profile: Box::new(profile) }).await;
        let started = self
            .run(Command::StartSession {
                agent: agent.clone(),
                device: text("desktop"),
                mode: SessionMode::Join,
                secret_hash: text("hash"),
                shown_hash: None,
            })
            .await;
        self.declare(&agent, Declared::Ready).await;
        started.agent.and_then(|row| row.session.clone()).expect("a session").epoch
    }

    async fn declare(&self, agent: &AgentId, declared: Declared) {
        let (agent, timing, open_work) = (agent.clone(), Timing::Now, OpenWork::Keep);
        self.run(Command::SetAgentState { agent, declared, timing, open_work }).await;
    }

    async fn create(&self, channel: Channel) -> Arc<Ticket> {
        let id = self.engine.entropy().ticket_id(self.engine.clock().now());
        self.run(Command::CreateTicket(Box::new(new_ticket(id, channel)))).await.ticket.expect("the ticket's row")
    }

    async fn ticket(&self, id: TicketId) -> Arc<Ticket> {
        self.engine.store().get_ticket(&self.desk, id).await.expect("the store answers").expect("the ticket")
    }

    async fn until(&self, id: TicketId, what: &str, holds: impl Fn(&Ticket) -> bool) -> Arc<Ticket> {
        eventually(what, async || Some(self.ticket(id).await).filter(|ticket| holds(ticket))).await
    }
}

fn text(word: &str) -> Arc<str> {
    Arc::from(word)
}

fn connector() -> Connector {
    Connector {
        id: ConnectorId::parse("adapter").expect("a name"),
        ver: 0,
        display_name: text(""),
        reach: Default::default(),
        channels: Default::default(),
        confirmation: Channel::ALL.map(|channel| (channel, false)).into(),
        affinity: None,
        kinds: Default::default(),
        create_time: Time::default(),
        update_time: Time::default(),
        deleted: false,
        away: false,
    }
}

fn new_ticket(id: TicketId, channel: Channel) -> NewTicket {
    NewTicket {
        id,
        name: id.default_name(),
        connector: connector().id,
        instance: text(""),
        channel,
        band: None,
        priority: None,
        category: text(""),
        language: text(""),
        parent: None,
        requirement: Default::default(),
        preferred: Vec::new(),
        arrival_time: None,
        schedule_time: None,
        content: Default::default(),
    }
}

fn pending_agent(ticket: &Ticket) -> Option<String> {
    let leg = ticket.pending_leg()?;
    leg.pending_offers().next().map(|offer| offer.agent.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_offered_in_the_commit_that_creates_it() {
    let room = Room::furnished().await;
    room.on_duty("anna", 1).await;
    // The first one of its kind has its lane interned, and is matched afterwards.
    let first = room.create(Channel::Email).await;
    room.until(first.id, "an offer", |ticket| pending_agent(ticket).is_some()).await;
    let ticket = room.create(Channel::Email).await;
    assert_eq!(pending_agent(&ticket).as_deref(), Some("anna"));
    let events = room.engine.store().ticket_events(&room.desk, ticket.id, 0, 10).await.expect("the log");
    assert!(matches!(events[1].event.body, Body::Offered { .. }));
    assert_eq!(events[1].seq, events[0].seq + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_of_the_lowest_sufficient_tier_is_chosen_and_the_record_says_so() {
    let room = Room::furnished().await;
    room.on_duty("boss", 3).await;
    room.on_duty("anna", 1).await;
    let ticket = room.create(Channel::Email).await;
    let ticket = room.until(ticket.id, "an offer", |ticket| pending_agent(ticket).is_some()).await;
    assert_eq!(pending_agent(&ticket).as_deref(), Some("anna"));
    let events = room.engine.store().ticket_events(&room.desk, ticket.id, 0, 10).await.expect("the log");
    let record = events.iter().find_map(|entry| match &entry.event.body {
        Body::Offered { record, .. } => Some(record.clone()),
        _ => None,
    });
    let record = record.expect("a record");
    let named: Vec<_> =
        record.candidates.iter().map(|row| (row.agent.to_string(), row.fit.map(|fit| fit.tier_surplus))).collect();
    assert_eq!(named, [("anna".to_owned(), Some(0)), ("boss".to_owned(), Some(2))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_said_at_once_that_nobody_is_on_duty_and_later_that_somebody_is() {
    let room = Room::furnished().await;
    let ticket = room.create(Channel::Email).await;
    assert_eq!(ticket.infeasibility, Some(Infeasibility::Never));
    let anna = AgentId::parse("anna").expect("a name");
    room.on_duty("anna", 1).await;
    room.until(ticket.id, "an offer to who came", |ticket| pending_agent(ticket).is_some()).await;
    room.declare(&anna, Declared::Offline).await;
    room.until(ticket.id, "ABSENT", |ticket| ticket.infeasibility == Some(Infeasibility::Absent)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_is_told_that_somebody_came_beside_the_offers_and_not_before_them() {
    // More than are looked at in one go.
    const LINE: usize = 2_400;
    let room = Room::furnished().await;
    let names = ["anna", "boss"].map(|name| AgentId::parse(name).expect("a name"));
    for name in &names {
        room.on_duty(name.as_str(), 1).await;
        room.declare(name, Declared::Offline).await;
    }
    let line = futures_util::future::join_all((0..LINE).map(|_| room.create(Channel::Phone))).await;
    assert!(line.iter().all(|ticket| ticket.infeasibility == Some(Infeasibility::Absent)));
    let before = room.engine.store().head(&room.desk).await.expect("the store answers").expect("a desk").0;
    for name in &names {
        room.declare(name, Declared::Ready).await;
    }
    let store = room.engine.store();
    let busy = eventually("everybody who waits is told", async || {
        let entries = store.events_after(&room.desk, before, 4 * LINE as u32).await.expect("the store answers");
        let told = |body: &Body| matches!(body, Body::Infeasible { infeasibility: Some(Infeasibility::Busy), .. });
        let busy: Vec<bool> = entries
            .iter()
            .filter(|entry| told(&entry.event.body) || matches!(entry.event.body, Body::Offered { .. }))
            .map(|entry| told(&entry.event.body))
            .collect();
        (busy.len() >= LINE).then_some(busy)
    })
    .await;
    assert_eq!(busy.len(), LINE, "each once");
    for ticket in &line {
        let row = room.ticket(ticket.id).await;
        assert!(row.infeasibility == Some(Infeasibility::Busy) || pending_agent(&row).is_some(), "{row:?}");
    }
    let before_the_offers = busy.iter().rposition(|told| !told).expect("two are offered") - 1;
    assert!(before_the_offers < LINE / 2, "{before_the_offers} were told before the second offer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_leg_goes_to_the_next_agent() {
    let room = Room::furnished().await;
    let session = room.on_duty("anna", 1).await;
    room.on_duty("boss", 2).await;
    let ticket = room.create(Channel::Email).await;
    let ticket = room.until(ticket.id, "an offer", |ticket| pending_agent(ticket).is_some()).await;
    let offer = ticket.pending_leg().and_then(|leg| leg.pending_offers().next()).expect("an offer").id;
    room.run(Command::DeclineOffer { offer, session, reason: DeclineReason::Busy }).await;
    room.until(ticket.id, "an offer to boss", |ticket| pending_agent(ticket).as_deref() == Some("boss")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_who_becomes_free_gets_what_waited_longest() {
    let room = Room::furnished().await;
    let session = room.on_duty("anna", 1).await;
    let first = room.create(Channel::Phone).await;
    let first = room.until(first.id, "an offer", |ticket| pending_agent(ticket).is_some()).await;
    let (second, third) = (room.create(Channel::Phone).await, room.create(Channel::Phone).await);
    assert_eq!(second.infeasibility, Some(Infeasibility::Busy));
    let offer = first.pending_leg().and_then(|leg| leg.pending_offers().next()).expect("an offer").id;
    room.run(Command::DeclineOffer { offer, session, reason: DeclineReason::Busy }).await;
    room.until(second.id, "an offer", |ticket| pending_agent(ticket).is_some()).await;
    assert_eq!(room.ticket(third.id).await.pending_leg().map(|leg| leg.state), Some(LegState::Waiting));
}

/// More than two batches hold: they are under way side by side, each decided on what the one before it leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_calls_at_once_leave_the_rows_that_the_log_makes_and_nobody_idle_beside_work() {
    let room = Room::furnished().await;
    for nth in 0..12 {
        room.on_duty(&format!("agent-{nth}"), 1).await;
    }
    let calls = (0..600).map(async |nth| {
        let ticket = room.create(Channel::Email).await;
        if nth % 3 == 0 {
            let (reason, missing) = (CancelReason::Withdrawn, None);
            room.run(Command::CancelTicket { ticket: ticket.id, reason, missing }).await;
        }
        ticket.id
    });
    let tickets = futures_util::future::join_all(calls).await;
    let store = room.engine.store();
    let busy = eventually("everybody has as much as fits", async || {
        let rows = store.list_agents(&room.desk, false, Page { after: None, limit: 100 }).await.expect("the agents");
        rows.iter().all(|agent| agent.held.get(&Channel::Email) == Some(&5)).then_some(rows)
    })
    .await;
    // What is said of those who wait is decided before it returns.
    room.engine.stop().await;
    let entries = store.events_after(&room.desk, 0, 10_000).await.expect("the log");
    let mut folded = WorkingSet::empty(room.desk.clone());
    for (seq, entry) in (1_u64..).zip(&entries) {
        assert_eq!(entry.seq, seq);
        evolve(&mut folded, &entry.event);
    }
    for agent in busy {
        assert_eq!(folded.agents.get(&agent.id), Some(&agent));
    }
    let mut offered = 0;
    for (nth, id) in tickets.into_iter().enumerate() {
        let row = room.ticket(id).await;
        assert_eq!(folded.tickets.get(&id), Some(&row));
        assert_eq!(row.state == TicketState::Cancelled, nth % 3 == 0);
        offered += usize::from(pending_agent(&row).is_some());
    }
    assert_eq!(offered, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_builds_the_view_again_and_goes_on() {
    let room = Room::furnished().await;
    room.on_duty("anna", 1).await;
    let first = room.create(Channel::Phone).await;
    room.until(first.id, "an offer", |ticket| pending_agent(ticket).is_some()).await;
    let second = room.create(Channel::Phone).await;
    let Room { engine, folder, .. } = room;
    engine.stop().await;
    assert!(matches!(
        engine
            .submit(Call {
                desk: DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("room").expect("a name") },
                actor: Actor::Caller,
                command: Command::TickTicket { ticket: first.id },
                dedup: None,
                validate_only: false,
            })
            .await,
        Err(Failure::Draining)
    ));
    drop(engine);
    let room = Room::open(folder).await;
    let ticket = room.ticket(first.id).await;
    assert_eq!(ticket.state, TicketState::Queued);
    let cancel = Command::CancelTicket {
        ticket: first.id,
        reason: handoff::domain::ticket::CancelReason::CustomerLeft,
        missing: None,
    };
    room.run(cancel).await;
    room.until(second.id, "an offer after the restart", |ticket| pending_agent(ticket).is_some()).await;
    assert!(room.folder.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_was_told_is_in_the_store() {
    let room = Room::furnished().await;
    let id = connector().id;
    let reader = room.engine.begin_reader(&room.desk, &id, Arc::from("test")).await.expect("a reader");
    let generation = reader.seat.part().expect("it reads").generation;
    for seq in 1..=100 {
        room.engine.ack(&room.desk, &id, generation, seq);
        let told = room.engine.readers(&room.desk, &id).await.expect("the store answers").acked();
        // A crash at this moment would leave just this.
        let stored = room.engine.store().readers(&room.desk, &id).await.expect("the store answers").acked();
        assert_eq!((told, stored), (seq, seq));
    }
}
