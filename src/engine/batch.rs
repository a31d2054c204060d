//! One batch: every command decided in turn on the rows that were loaded for it. Runs inside the store's transaction, and waits
//! for nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Decide;
use super::call::Call;
use super::desk::{DeskChange, DeskState, Moved};
use super::task::Task;
use crate::availability::Reservation;
use crate::domain::agent::Agent;
use crate::domain::desk::LaneKey;
use crate::domain::event::{Actor, Event};
use crate::domain::id::{AgentNo, DeskKey, LegId, TicketId};
use crate::domain::leg::LegState;
use crate::domain::requirement::Expertise;
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::command::{Answer, Command, Proposed};
use crate::routing::decide::Decision;
use crate::routing::explain::{Choice, explain};
use crate::routing::reject::Reject;
use crate::routing::waiters::Waiter;
use crate::routing::workset::{Changed, Scope, WorkingSet};
use crate::store::{DedupKey, Loaded, StoredAnswer, Work};

/// How often a call is decided again after lanes or groups were interned for it.
pub(super) const MAX_INTERNS: u8 = 3;

/// What became of a task.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Answered(Outcome),
    Rejected(Reject),
    /// The request id stands for another request.
    Reused,
    /// Lanes or groups have to be interned first; then it is decided again.
    NeedsIntern {
        lanes: Vec<LaneKey>,
        groups: Vec<Expertise>,
    },
    /// Deciding it panicked: a bug. Nothing of it was kept.
    Broken,
}

impl Verdict {
    /// Whether it tells of a session, whose heartbeats go straight to the index.
    pub fn is_session(&self) -> bool {
        matches!(self, Verdict::Answered(outcome) if matches!(outcome.answer, Answer::Session { .. }))
    }
}

/// An answer with the rows right after it.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub answer: Answer,
    pub ticket: Option<Arc<Ticket>>,
    pub agent: Option<Arc<Agent>>,
    pub scope: Option<Scope>,
    /// It was given before: the rows are not loaded.
    pub repeated: bool,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// One for each task, in their order.
    pub verdicts: Vec<Verdict>,
    pub changes: BTreeMap<DeskKey, DeskChange>,
    /// Reservations that came to nothing, for the index to free.
    pub refused: Vec<(DeskKey, LegId, u32)>,
}

/// Decides the tasks one after another, each on what the ones before it left.
pub(super) fn run<'a>(
    loaded: &'a Loaded,
    tasks: &[Task],
    states: &BTreeMap<DeskKey, DeskState>,
    decide: Decide,
) -> Work<'a, Decided> {
    let mut batch = Batch {
        decide,
        loaded,
        states,
        layers: loaded.desks.iter().map(|(desk, rows)| (desk.clone(), rows.layer())).collect(),
        events: Vec::new(),
        answers: BTreeMap::new(),
        decided: Decided::default(),
    };
    for (at, task) in tasks.iter().enumerate() {
        let verdict = batch.one(at, task);
        batch.decided.verdicts.push(verdict);
    }
    batch.finish()
}

struct Batch<'a, 's> {
    decide: Decide,
    loaded: &'a Loaded,
    states: &'s BTreeMap<DeskKey, DeskState>,
    layers: BTreeMap<DeskKey, WorkingSet<'a>>,
    events: Vec<(DeskKey, Event)>,
    answers: BTreeMap<DedupKey, StoredAnswer>,
    decided: Decided,
}

impl<'a> Batch<'a, '_> {
    fn one(&mut self, at: usize, task: &Task) -> Verdict {
        match task {
            Task::Call { call, held } => {
                let verdict = self.call(at, call, held.as_ref());
                if let Some(held) = held.as_ref().filter(|held| !self.has_leg(&call.desk, held.leg)) {
                    self.decided.refused.push((call.desk.clone(), held.leg, held.leg_ver));
                }
                verdict
            }
            Task::Own { desk, command } => self.own(desk, command),
            Task::Propose { desk, reservation } => {
                let verdict = self.propose(desk, reservation);
                if !matches!(verdict, Verdict::Answered(_)) {
                    self.decided.refused.push((desk.clone(), reservation.leg, reservation.leg_ver));
                }
                verdict
            }
        }
    }

    fn own(&mut self, desk: &DeskKey, command: &Command) -> Verdict {
        if let Command::Retire { .. } = command
            && self.loaded.heads.get(desk).copied() != self.states.get(desk).map(|state| state.head)
        {
            // Somebody may use by now what nobody used as far as memory knows.
            return Verdict::Rejected(Reject::Stale);
        }
        let Command::Diagnose { leg, leg_ver, .. } = command else {
            return self.decide(desk, command, &Actor::System);
        };
        // What was found out a commit ago may be old: it is said of the log before this batch, or not at all.
        let news = self.states.get(desk).and_then(|state| state.news(*leg)).filter(|(ver, _)| ver == leg_ver);
        let Some((leg_ver, infeasibility)) = news else { return Verdict::Rejected(Reject::Stale) };
        let command = Command::Diagnose { leg: *leg, leg_ver, infeasibility: Some(infeasibility) };
        self.decide(desk, &command, &Actor::System)
    }

    /// Whether the leg exists: its own advance then settles whatever is held for it.
    fn has_leg(&self, desk: &DeskKey, id: LegId) -> bool {
        let ticket = self.layers.get(desk).and_then(|rows| rows.tickets.get(&id.ticket));
        ticket.is_some_and(|ticket| ticket.leg(id.leg).is_some())
    }

    fn call(&mut self, at: usize, call: &Call, held: Option<&Reservation>) -> Verdict {
        if let Some(dedup) = &call.dedup {
            let earlier = self.answers.get(&dedup.key).or(self.loaded.answers.get(at).and_then(Option::as_ref));
            if let Some(earlier) = earlier {
                return if earlier.request_hash == dedup.request_hash {
                    self.repeat(&call.desk, &earlier.answer)
                } else {
                    Verdict::Reused
                };
            }
        }
        if call.validate_only {
            return self.rehearse(call);
        }
        let verdict = self.decide(&call.desk, &call.command, &call.actor);
        let Verdict::Answered(outcome) = verdict else { return verdict };
        if let Some(dedup) = &call.dedup {
            let stored = StoredAnswer { request_hash: dedup.request_hash.clone(), answer: outcome.answer.clone() };
            self.answers.insert(dedup.key.clone(), stored);
        }
        if let Command::CreateTicket(new) = &call.command {
            self.first_offer(&call.desk, new.id, held);
            return Verdict::Answered(self.outcome(&call.desk, outcome.answer));
        }
        Verdict::Answered(outcome)
    }

    fn repeat(&self, desk: &DeskKey, answer: &Answer) -> Verdict {
        let scope = self.layers.get(desk).and_then(|rows| rows.scope.clone());
        Verdict::Answered(Outcome { answer: answer.clone(), ticket: None, agent: None, scope, repeated: true })
    }

    /// Decides on rows of its own, which are then forgotten, lanes and groups that it has to intern first included.
    fn rehearse(&self, call: &Call) -> Verdict {
        let mut rows = self.layers.get(&call.desk).expect("the store loads every desk of the batch").layer();
        for _ in 0..=MAX_INTERNS {
            let (decision, answers) = match guarded(self.decide, &rows, &call.command, &call.actor, self.loaded.now) {
                Ok(decision) => (decision, true),
                Err(Verdict::NeedsIntern { lanes, groups }) => {
                    let intern = Command::Intern { lanes, groups };
                    match guarded(self.decide, &rows, &intern, &Actor::System, self.loaded.now) {
                        Ok(decision) => (decision, false),
                        Err(verdict) => return verdict,
                    }
                }
                Err(verdict) => return verdict,
            };
            let (decision, changed) = decision;
            rows.absorb(changed);
            if answers {
                return Verdict::Answered(outcome_in(&rows, decision.answer));
            }
        }
        Verdict::Broken
    }

    /// Decides and keeps what was decided.
    fn decide(&mut self, desk: &DeskKey, command: &Command, actor: &Actor) -> Verdict {
        let rows = self.layers.get_mut(desk).expect("the store loads every desk of the batch");
        let (decision, changed) = match guarded(self.decide, rows, command, actor, self.loaded.now) {
            Ok(decided) => decided,
            Err(verdict) => return verdict,
        };
        rows.absorb(changed);
        for event in decision.events {
            // Outside the guard: rows and events that part ways are not to be committed, and end the engine.
            let held = event.ticket.is_none_or(|id| rows.tickets.get(&id).is_some());
            assert!(held, "a decision's rows hold the ticket of each of its events");
            self.events.push((desk.clone(), event));
        }
        Verdict::Answered(self.outcome(desk, decision.answer))
    }

    fn outcome(&self, desk: &DeskKey, answer: Answer) -> Outcome {
        outcome_in(self.layers.get(desk).expect("the store loads every desk of the batch"), answer)
    }

    /// A ticket was created: it is offered to whom the index holds for it, or it is said why nobody takes it.
    fn first_offer(&mut self, desk: &DeskKey, id: TicketId, held: Option<&Reservation>) {
        if let Some(held) = held {
            // Refused: the leg waits, and its own advance frees the agents and matches it again.
            if matches!(self.propose(desk, held), Verdict::Answered(_)) {
                return;
            }
        }
        let Some(state) = self.states.get(desk) else { return };
        let rows = self.layers.get(desk).expect("the store loads every desk of the batch");
        let Some(ticket) = rows.tickets.get(&id).cloned() else { return };
        let Some(leg) = ticket.pending_leg().filter(|leg| leg.state == LegState::Waiting) else { return };
        let Some(waiter) = Waiter::of(&state.roster, &ticket, leg).filter(|_| held.is_none()) else { return };
        let infeasibility = Some(waiter.diagnose(&state.roster, &state.scope.connectors));
        let leg = LegId { ticket: id, leg: leg.n };
        let command = Command::Diagnose { leg, leg_ver: waiter.ver, infeasibility };
        self.decide(desk, &command, &Actor::System);
    }

    fn propose(&mut self, desk: &DeskKey, held: &Reservation) -> Verdict {
        let rows = self.layers.get(desk).expect("the store loads every desk of the batch");
        let Some(state) = self.states.get(desk) else { return Verdict::Rejected(Reject::Stale) };
        let Some(ticket) = rows.tickets.get(&held.leg.ticket) else { return Verdict::Rejected(Reject::Stale) };
        let Some(leg) = ticket.leg(held.leg.leg) else { return Verdict::Rejected(Reject::Stale) };
        // Too long ago to say why: refused, it is chosen anew.
        let Some(past) = state.past.at(held.cursor) else { return Verdict::Rejected(Reject::Stale) };
        let numbers: Vec<AgentNo> = held.agents.iter().map(|(number, _)| *number).collect();
        let choice = Choice {
            agents: &numbers,
            trigger: held.trigger,
            ahead: held.ahead,
            held_back: &held.held_back,
            loads: &held.loads,
            past: &past,
            seq: held.cursor,
        };
        let record = explain(&state.roster, ticket, leg, &choice, self.loaded.now);
        let agents = held.agents.iter().filter_map(|(number, session)| {
            let agent = state.roster.agent(*number)?.id.clone();
            Some(Proposed { agent, number: *number, session: *session })
        });
        let command = Command::Propose {
            leg: held.leg,
            leg_ver: held.leg_ver,
            agents: agents.collect(),
            record: Box::new(record),
        };
        self.decide(desk, &command, &Actor::System)
    }

    fn finish(mut self) -> Work<'a, Decided> {
        for (desk, rows) in &self.layers {
            let before = self.loaded.desks.get(desk);
            let row_before = |id: &TicketId| before.and_then(|before| before.tickets.get(id)).cloned();
            let tickets =
                rows.tickets.own().iter().map(|(id, after)| Moved { before: row_before(id), after: after.clone() });
            let change = DeskChange {
                tickets: tickets.collect(),
                agents: rows.agents.own().values().cloned().collect(),
                ..DeskChange::default()
            };
            self.decided.changes.insert(desk.clone(), change);
        }
        for (desk, event) in &self.events {
            let ticket = event.ticket.and_then(|id| self.layers[desk].tickets.get(&id));
            self.decided.changes.entry(desk.clone()).or_default().note(event, ticket.map(Arc::as_ref));
        }
        Work {
            changed: self.layers.into_values().collect(),
            events: self.events,
            answers: self.answers.into_iter().collect(),
            value: self.decided,
        }
    }
}

fn guarded(
    decide: Decide,
    rows: &WorkingSet<'_>,
    command: &Command,
    actor: &Actor,
    now: Time,
) -> Result<(Decision, Changed), Verdict> {
    // A decision that panics is a bug in a rule; the other commands of the batch have done nothing to deserve it.
    let outcome = catch_unwind(AssertUnwindSafe(|| decide(rows, command, actor, now)));
    match outcome {
        Ok(Ok(decided)) => Ok(decided),
        Ok(Err(Reject::NeedsIntern { lanes, groups })) => Err(Verdict::NeedsIntern { lanes, groups }),
        Ok(Err(reject)) => Err(Verdict::Rejected(reject)),
        Err(_) => Err(Verdict::Broken),
    }
}

fn outcome_in(rows: &WorkingSet<'_>, answer: Answer) -> Outcome {
    let ticket = match &answer {
        Answer::Ticket { ticket } | Answer::Transfer { ticket, .. } | Answer::Escalated { ticket, .. } => Some(*ticket),
        Answer::Leg { leg } => Some(leg.ticket),
        Answer::Offer { offer } => Some(offer.leg.ticket),
        Answer::Done
        | Answer::Desk
        | Answer::Connector { .. }
        | Answer::Agent { .. }
        | Answer::Session { .. }
        | Answer::Policy { .. } => None,
    };
    let agent = match &answer {
        Answer::Agent { agent } | Answer::Session { agent, .. } => Some(agent),
        Answer::Done
        | Answer::Desk
        | Answer::Connector { .. }
        | Answer::Ticket { .. }
        | Answer::Leg { .. }
        | Answer::Offer { .. }
        | Answer::Transfer { .. }
        | Answer::Escalated { .. }
        | Answer::Policy { .. } => None,
    };
    Outcome {
        ticket: ticket.and_then(|id| rows.tickets.get(&id)).cloned(),
        agent: agent.and_then(|id| rows.agents.get(id)).cloned(),
        scope: rows.scope.clone(),
        answer,
        repeated: false,
    }
}
