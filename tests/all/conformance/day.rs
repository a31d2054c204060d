//! A busy day: commands of every kind in an order that a seed decides, some of them refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use handoff::domain::agent::{Declared, OpenWork, Reachability};
use handoff::domain::event::{Actor, SessionEnd};
use handoff::domain::id::{AgentId, TicketId};
use handoff::domain::leg::EndedBy;
use handoff::domain::offer::{DeclineReason, FailReason};
use handoff::domain::requirement::{Amount, Channel, Requirement};
use handoff::domain::ticket::{Axis, CancelReason, EscalationReason, OnUnavailable, Release, Target, Ticket};
use handoff::domain::time::Time;
use handoff::routing::command::{
    AssignMode, Command, NewEscalation, NewResolution, NewTicket, NewTransfer, SessionMode, TicketPatch, Timing,
};
use handoff::store::Store;

use super::harness::{Call, Driver, agent, at, batch, leg_id, new_ticket, queue, ticket};

pub const AGENTS: [&str; 3] = ["ann", "bob", "cid"];

/// Numbers that look random and are the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }
}

/// Plays a day on the desk; answers how many commands were taken.
pub async fn play<S: Store>(driver: &mut Driver<'_, S>, seed: u64, steps: i64) -> usize {
    for name in AGENTS {
        driver.agent(name).await;
    }
    let mut dice = Dice::new(seed);
    let mut taken = 0;
    for step in 0..steps {
        let now = at(10 + step * 7);
        if dice.roll(4) == 0
            && let Some(id) = some_ticket(&mut dice, driver)
        {
            let to = AGENTS[dice.roll(AGENTS.len())];
            taken += usize::from(driver.propose(id, &[to], now).await.is_ok());
            continue;
        }
        let command = any_command(&mut dice, driver, seed, step, now);
        taken += usize::from(driver.try_commit(command, now).await.is_ok());
    }
    taken
}

/// Plays on, with three batches at a time under way, each of one command; answers how many were taken.
pub async fn play_side_by_side<S: Store>(driver: &mut Driver<'_, S>, seed: u64, steps: i64) -> usize {
    let mut dice = Dice::new(seed);
    let mut taken = 0;
    for step in 0..steps {
        let now = at(10_000 + step * 7);
        let mut call = |nth| vec![Call::new(&driver.key, any_command(&mut dice, driver, seed, step * 3 + nth, now))];
        let [one, two, three] = [call(0), call(1), call(2)];
        let store = driver.store;
        let (one, two, three) = tokio::join!(batch(store, one, now), batch(store, two, now), batch(store, three, now));
        for committed in [one, two, three] {
            let committed = committed.expect("the store answers");
            driver.follow(&committed);
            taken += committed.value.iter().filter(|answer| answer.is_ok()).count();
        }
    }
    taken
}

pub fn some_ticket<S: Store>(dice: &mut Dice, driver: &Driver<'_, S>) -> Option<TicketId> {
    let tickets: Vec<TicketId> = driver.model.tickets.own().keys().copied().collect();
    (tickets.len() >= 4).then(|| tickets[dice.roll(tickets.len())])
}

pub fn any_command<S: Store>(dice: &mut Dice, driver: &Driver<'_, S>, seed: u64, step: i64, now: Time) -> Command {
    match some_ticket(dice, driver) {
        None => Command::CreateTicket(Box::new(any_ticket(dice, seed, step))),
        Some(_) if dice.roll(6) == 0 => Command::CreateTicket(Box::new(any_ticket(dice, seed, step))),
        Some(_) if dice.roll(8) == 0 => of_an_agent(dice, driver),
        Some(id) => of_a_ticket(dice, &driver.row(id), now),
    }
}

fn any_ticket(dice: &mut Dice, seed: u64, step: i64) -> NewTicket {
    let channel = Channel::ALL[dice.roll(5)];
    let mut new = new_ticket(&format!("t-{seed}-{step}"), channel);
    new.priority = (dice.roll(2) == 0).then_some(40);
    if dice.roll(4) == 0 {
        new.preferred = vec![any_agent(dice)];
    }
    if dice.roll(5) == 0 {
        let amount = Amount { currency: Arc::from("EUR"), micros: 5_000_000 };
        new.requirement.authorities = BTreeMap::from([(Arc::from("refund"), Some(amount))]);
    }
    if dice.roll(3) == 0 {
        new.content.conversation_keys = vec![Arc::from(format!("talk-{}", dice.roll(4)))];
    }
    if dice.roll(8) == 0 {
        new.schedule_time = Some(at(step * 7 + 200));
    }
    new
}

fn any_agent(dice: &mut Dice) -> AgentId {
    agent(AGENTS[dice.roll(AGENTS.len())])
}

fn of_an_agent<S: Store>(dice: &mut Dice, driver: &Driver<'_, S>) -> Command {
    let id = any_agent(dice);
    let epoch = driver.model.agents.get(&id).and_then(|row| row.session.as_ref()).map_or(0, |session| session.epoch);
    match dice.roll(6) {
        0 => Command::EndSession { agent: id, epoch, reason: SessionEnd::Lost },
        1 => Command::SetAgentState {
            agent: id,
            declared: Declared::Break { reason: Arc::from("lunch") },
            timing: Timing::AfterCurrent,
            open_work: OpenWork::Keep,
        },
        2 => {
            let reachability = Reachability::Unreachable;
            Command::ReportEndpoint { agent: id, channel: Channel::Phone, reachability }
        }
        3 => Command::TickAgent { agent: id },
        4 => Command::StartSession {
            agent: id,
            device: Arc::from("phone"),
            mode: SessionMode::TakeOver,
            secret_hash: Arc::from("11"),
            shown_hash: None,
        },
        _ => Command::SetAgentState {
            agent: id,
            declared: Declared::Ready,
            timing: Timing::Now,
            open_work: OpenWork::Keep,
        },
    }
}

fn of_a_ticket(dice: &mut Dice, row: &Ticket, now: Time) -> Command {
    let ticket = row.id;
    let last_offer = row.legs.last().and_then(|leg| leg.offers.last());
    if let Some(offer) = last_offer.filter(|offer| offer.is_open())
        && dice.roll(3) > 0
    {
        let (offer, session) = (offer.id, offer.session);
        return match dice.roll(6) {
            0 => Command::DeclineOffer { offer, session, reason: DeclineReason::Busy },
            1 => Command::FailOffer { offer, reason: FailReason::AgentUnreachable },
            2 => Command::TickTicket { ticket },
            3 => Command::ConfirmOffer { offer },
            _ => Command::AcceptOffer { offer, session, device: Arc::from("laptop"), connected: false },
        };
    }
    match dice.roll(14) {
        0 => Command::CancelTicket { ticket, reason: CancelReason::CustomerLeft, missing: None },
        1 => Command::HoldTicket { ticket, reason: Arc::from("customer"), resume_time: None },
        2 => Command::ResumeTicket { ticket },
        3 => Command::RequeueTicket { ticket, reason: Arc::from("x"), prefer_handler: dice.roll(2) == 0 },
        4 => Command::ReopenTicket { ticket, reason: Arc::from("again") },
        5 => Command::ResolveTicket { ticket, resolution: Box::new(resolution()), etag: None },
        6 => Command::EscalateTicket { ticket, escalation: Box::new(escalation()) },
        7 => Command::TransferTicket { ticket, transfer: Box::new(transfer(dice)) },
        8 | 9 if !row.legs.is_empty() => Command::EndLeg { leg: leg_id(row), ended_by: EndedBy::Customer },
        10 if !row.legs.is_empty() => {
            Command::FinishWrapUp { leg: leg_id(row), code: Arc::from("done"), note: Arc::from("a note") }
        }
        11 => {
            let (agent, mode) = (any_agent(dice), AssignMode::Force);
            Command::AssignTicket { ticket, agent, mode, reason: Arc::from("supervisor") }
        }
        12 => {
            let patch = TicketPatch {
                priority: Some(Some(80)),
                subject: Some(Arc::from(format!("At {}", now.micros()))),
                fields: vec![Arc::from("priority"), Arc::from("subject")],
                ..TicketPatch::default()
            };
            Command::UpdateTicket { ticket, patch: Box::new(patch), reclassify: false, etag: None }
        }
        _ => Command::TickTicket { ticket },
    }
}

fn resolution() -> NewResolution {
    NewResolution { text: Arc::from("All well."), code: Arc::from("ok"), first_contact: None, concession: None }
}

fn escalation() -> NewEscalation {
    NewEscalation {
        axis: Axis::Hierarchical,
        reason: EscalationReason::CustomerDemand,
        requirement: Requirement { min_tier: Some(1), ..Requirement::default() },
        requested_by: Actor::Caller,
        note: Arc::from("please"),
    }
}

fn transfer(dice: &mut Dice) -> NewTransfer {
    let target = match dice.roll(2) {
        0 => Target::Agent(any_agent(dice)),
        _ => Target::Queue(queue("chat")),
    };
    NewTransfer {
        target,
        release: if dice.roll(2) == 0 { Release::Now } else { Release::AfterConfirm },
        on_unavailable: OnUnavailable::Queue,
        reason: Arc::from("knows more"),
        override_reason: Arc::from(""),
        note: Arc::from("a note"),
    }
}

/// A name of the day's tickets, for a test that needs one that is there.
pub fn first_ticket(seed: u64) -> TicketId {
    ticket(&format!("t-{seed}-0"))
}
