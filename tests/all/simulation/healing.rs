//! What one fault leaves behind and what heals it, each by a script: the faults of the simulation that were found to leave
//! something, and those whose effect on a caller is promised.

use std::collections::VecDeque;
use std::sync::Arc;

use handoff::clock::Clock;
use handoff::domain::event::{Actor, Body, Event};
use handoff::domain::id::{LegId, OfferId, TicketId};
use handoff::domain::offer::DeclineReason;
use handoff::domain::requirement::Channel;
use handoff::domain::time::{Span, Time};
use handoff::engine::{Decide, Engine, Failure};
use handoff::entropy::Entropy;
use handoff::routing::command::{Answer, Command, SessionMode};
use handoff::routing::decide::{Decision, decide_rows};
use handoff::routing::reject::Reject;
use handoff::routing::workset::{Changed, WorkingSet};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use super::pause;
use super::ports::{WeatheredIndex, WeatheredStore};
use super::scene::{self, START, desk_key};
use super::store::{Ground, MemoryStore, Slip};
use super::trace::Trace;
use super::weather::{Fate, Weather};
use crate::pure::world::{new_ticket, ticket_id};

struct Room {
    ground: Arc<Ground>,
    weather: Arc<Weather>,
    engine: Engine<WeatheredStore, WeatheredIndex>,
}

impl Room {
    /// The desk of the simulation with everybody on duty, in good weather.
    async fn open(decide: Decide) -> Room {
        let (ground, clock) = (Ground::new(Slip::default(), 7), Clock::starting_at(START, 1));
        let weather = Weather::new(StdRng::seed_from_u64(1), None, clock.clone(), Trace::silent());
        let store = WeatheredStore::new(MemoryStore::open(ground.clone(), clock.clone(), Span::ZERO), weather.clone());
        let index = WeatheredIndex::new(weather.clone());
        let engine = Engine::deciding(store, index, clock, Entropy::seeded(1), decide).await.expect("it starts");
        let room = Room { ground, weather, engine };
        for command in scene::opening() {
            room.ask(command, None).await.expect("it is not refused");
        }
        for connector in ["tel", "web", "soc"] {
            let id = crate::pure::desk::connector_id(connector);
            // Somebody is subscribed for the whole of the test.
            let reader = room.engine.begin_reader(&desk_key(), &id, Arc::from("sim")).await;
            std::mem::forget(reader.expect("the store answers"));
        }
        room
    }

    async fn ask(&self, command: Command, request: Option<&str>) -> Result<Answer, Failure> {
        self.engine.submit(scene::call(command, request, "body")).await.map(|reply| reply.answer)
    }

    async fn pass(&self, millis: i64) {
        pause::millis(self.engine.clock(), millis).await;
    }

    /// The offer with which somebody is asked to take it.
    fn pending(&self, ticket: TicketId) -> Option<OfferId> {
        let look = |rows: &WorkingSet<'static>, _| {
            let leg = rows.tickets.get(&ticket)?.pending_leg()?;
            leg.pending_offers().next().map(|offer| offer.id)
        };
        self.ground.look(&desk_key(), look).flatten()
    }

    fn offered(&self, ticket: TicketId) -> bool {
        self.pending(ticket).is_some()
    }
}

fn chat(name: &str) -> Command {
    Command::CreateTicket(Box::new(new_ticket(name, Channel::Chat)))
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_outcome_nobody_heard_is_matched_though_nobody_calls() {
    let room = Room::open(decide_rows).await;
    // The lane is interned with the first one.
    room.ask(chat("first"), None).await.expect("it is not refused");
    room.weather.script("transact", [Fate::Unanswered]);
    let unheard = room.ask(chat("second"), None).await;
    assert!(matches!(unheard, Err(Failure::StoreAway { .. })), "{unheard:?}");
    room.pass(1_000).await;
    assert!(room.offered(ticket_id("second")), "it waits beside free agents");
}

#[tokio::test(start_paused = true)]
async fn a_view_that_was_lost_while_nobody_called_is_built_again_after_a_heartbeat() {
    let room = Room::open(decide_rows).await;
    room.ask(chat("first"), None).await.expect("it is not refused");
    room.weather.wipe();
    room.pass(1_000).await;
    let ann = crate::pure::desk::agent_id("ann");
    assert!(room.engine.beat(&desk_key(), &[(ann.clone(), 1)]).await.is_err());
    room.pass(1_000).await;
    assert_eq!(room.engine.beat(&desk_key(), &[(ann, 1)]).await.expect("the view is there"), [true]);
}

/// As long for one page as many thousand pages would take.
#[tokio::test(start_paused = true)]
async fn while_a_view_is_built_anew_calls_and_deadlines_go_on_and_then_what_waits_is_matched() {
    let room = Room::open(decide_rows).await;
    room.ask(chat("first"), None).await.expect("it is not refused");
    room.pass(100).await;
    assert!(room.offered(ticket_id("first")));
    room.weather.hold("load", Span::from_secs(20));
    room.weather.wipe();
    let asked = room.engine.clock().now();
    for name in ["notices", "second", "third"] {
        room.ask(chat(name), None).await.expect("it is accepted, and waits");
        room.pass(100).await;
    }
    assert!(room.engine.clock().now() - asked < Span::from_secs(1), "somebody waits for the view");
    room.pass(10_000).await;
    for name in ["first", "notices", "second", "third"] {
        assert!(!room.offered(ticket_id(name)), "{name}: an offer has run out, and there is no view to make another");
    }
    room.pass(11_000).await;
    assert!(room.offered(ticket_id("second")), "it waits beside free agents");
}

#[tokio::test(start_paused = true)]
async fn an_index_that_stays_away_holds_up_no_call_and_is_filled_when_it_is_back() {
    let room = Room::open(decide_rows).await;
    room.ask(chat("first"), None).await.expect("it is not refused");
    for call in ["reserve", "advance", "begin"] {
        room.weather.script(call, [Fate::Refused; 8]);
    }
    let asked = room.engine.clock().now();
    room.ask(chat("second"), None).await.expect("it is accepted, and waits");
    assert!(room.engine.clock().now() - asked < Span::from_secs(1));
    room.pass(4_000).await;
    assert!(room.offered(ticket_id("second")));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_an_index_that_is_far_away_but_who_starts_a_session() {
    let room = Room::open(decide_rows).await;
    room.ask(chat("first"), None).await.expect("it is not refused");
    room.pass(100).await;
    let far = Span::from_secs(2);
    room.weather.hold("advance", far);
    let asked = room.engine.clock().now();
    room.ask(chat("second"), None).await.expect("it is not refused");
    assert!(room.engine.clock().now() - asked < far, "its caller waits for the index");
    room.pass(3_000).await;
    room.weather.hold("advance", far);
    let asked = room.engine.clock().now();
    let (agent, [device, secret_hash]) = (crate::pure::desk::agent_id("ann"), ["other", "hash"].map(Arc::from));
    let mode = SessionMode::TakeOver;
    let start = Command::StartSession { agent: agent.clone(), device, mode, secret_hash, shown_hash: None };
    let (engine, start) = (room.engine.clone(), scene::call(start, None, ""));
    let starting = tokio::spawn(async move { engine.submit(start).await.map(|reply| reply.answer) });
    room.pass(100).await;
    let old = room.engine.beat(&desk_key(), &[(agent.clone(), 1)]).await.expect("the view is there");
    assert_eq!(old, [false], "the index does not know yet that it is over");
    let started = starting.await.expect("it does not panic").expect("it is not refused");
    let Answer::Session { epoch, .. } = started else { panic!("{started:?}") };
    assert!(room.engine.clock().now() - asked >= far, "its first heartbeat would come before the index knows it");
    assert_eq!(room.engine.beat(&desk_key(), &[(agent, epoch)]).await.expect("the view is there"), [true]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_failed_is_said_to_be_so_and_a_repeat_finds_whatever_became_of_it() {
    let room = Room::open(decide_rows).await;
    for (name, fate) in [("refused", Fate::Refused), ("unheard", Fate::Unanswered)] {
        room.ask(chat("lane"), None).await.ok();
        room.weather.script("transact", [fate]);
        let away = room.ask(chat(name), Some(name)).await;
        assert!(matches!(away, Err(Failure::StoreAway { .. })), "{away:?}");
        let answer = room.ask(chat(name), Some(name)).await.expect("nothing was lost");
        assert_eq!(answer, Answer::Ticket { ticket: ticket_id(name) });
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_was_asked_before_an_outage_may_still_answer_for_five_seconds_after_it() {
    for answers in [true, false] {
        let room = Room::open(decide_rows).await;
        let (first, session) = (ticket_id("first"), 1);
        room.ask(chat("first"), None).await.expect("it is not refused");
        room.pass(1_000).await;
        let offer = room.pending(first).expect("somebody is asked");
        // Twelve seconds of polls: longer than anybody is rung, and shorter than a lease.
        room.weather.script("due_before", [Fate::Refused; 60]);
        room.pass(13_000).await;
        assert_eq!(room.pending(first), Some(offer), "its time is over, and it stands");
        if answers {
            let device = Arc::from("desk");
            let accepted = room.ask(Command::AcceptOffer { offer, session, device, connected: true }, None).await;
            accepted.expect("the agent was in time");
        } else {
            room.pass(8_000).await;
            assert_ne!(room.pending(first), Some(offer), "nobody answered");
        }
    }
}

/// A decision that no rows can take: its event is of a ticket that is not there.
fn broken(rows: &WorkingSet<'_>, command: &Command, actor: &Actor, now: Time) -> Result<(Decision, Changed), Reject> {
    if !matches!(command, Command::CancelTicket { .. }) {
        return decide_rows(rows, command, actor, now);
    }
    let ticket = Some(ticket_id("nowhere"));
    let event = Event { at: now, actor: actor.clone(), ticket, ticket_seq: 1, body: Body::Closed {} };
    Ok((Decision { events: vec![event], answer: Answer::Done }, rows.layer().into_changed()))
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_panics_ends_the_engine() {
    let room = Room::open(broken).await;
    let reason = handoff::domain::ticket::CancelReason::CustomerLeft;
    let cancel = Command::CancelTicket { ticket: ticket_id("nowhere"), reason, missing: None };
    let answer = room.ask(cancel, None).await;
    assert!(matches!(answer, Err(Failure::Internal)), "{answer:?}");
    room.engine.broken().await;
    let later = room.ask(chat("later"), None).await;
    assert!(matches!(later, Err(Failure::Internal | Failure::Draining)), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_sheds_administration_first_and_what_ends_work_last() {
    let room = Room::open(decide_rows).await;
    room.weather.script("transact", [Fate::Unanswered]);
    room.weather.hold("transact", Span::from_secs(60));
    let mut calls: JoinSet<Result<Answer, Failure>> = JoinSet::new();
    let offer = OfferId { leg: LegId { ticket: ticket_id("nowhere"), leg: 1 }, leg_ver: 1, nth: 0 };
    let decline = move || Command::DeclineOffer { offer, session: 1, reason: DeclineReason::Busy };
    let rename = || Command::UpdateDesk { display_name: Some(Arc::from("New")), time_zone: None, etag: None };
    // The writer has a batch of them in its hands.
    let mut fill = VecDeque::from([(1_300, 4), (4_400, 2), (8_500, 0)]);
    while let Some((queued, class)) = fill.pop_front() {
        while calls.len() < queued {
            let (engine, call) = (room.engine.clone(), scene::call(decline(), None, ""));
            calls.spawn(async move { engine.submit(call).await.map(|reply| reply.answer) });
        }
        // So that each of them is in the queue.
        room.pass(1).await;
        let shed = |class: u8| match class {
            4 => rename(),
            2 => chat("shed"),
            _ => decline(),
        };
        let refused = room.ask(shed(class), None).await;
        assert!(matches!(refused, Err(Failure::Overloaded { .. })), "class {class} at {queued}: {refused:?}");
        if let Some((_, next)) = fill.front() {
            let (engine, call) = (room.engine.clone(), scene::call(shed(*next), None, ""));
            let taken = tokio::spawn(async move { engine.submit(call).await });
            room.pass(1).await;
            assert!(!taken.is_finished(), "class {next} has room at {queued}");
        }
    }
}
