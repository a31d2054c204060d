//! What the API asks of the engine: calls, reads of what is in memory, heartbeats.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot};

use super::batch::Outcome;
use super::call::{Call, Failure, Reply};
use super::doubts::Doubt;
use super::task::Task;
use super::writer::{self, Job};
use super::{Engine, Inner};
use crate::availability::{self, Availability, Beat};
use crate::clock::Clock;
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, DeskKey, TicketId};
use crate::domain::leg::LegState;
use crate::domain::record::Unfit;
use crate::domain::requirement::Requirement;
use crate::domain::ticket::{Infeasibility, Ticket};
use crate::domain::time::Span;
use crate::entropy::Entropy;
use crate::routing::command::Answer;
use crate::routing::explain::kept_from;
use crate::store::Store;
use crate::stream::hub::Hub;

/// Where a waiting ticket stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// In its queue and band, from 1.
    pub position: u32,
    /// Absent until enough hand-outs were seen, and when nobody can take it.
    pub estimated: Option<Span>,
    pub infeasibility: Option<Infeasibility>,
    /// Agents of the desk by the first reason that keeps them from this leg now.
    pub unfit: Vec<(Unfit, u32)>,
}

/// The state of a session's lease, as the availability index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    Live,
    Suspect,
    /// No session.
    Lost,
}

impl<S: Store, A: Availability> Engine<S, A> {
    /// Decides and commits one command; answers when it is durable. A call with `validate_only` changes nothing.
    ///
    /// # Errors
    /// See [`Failure`]. Dropping the future does not take a submitted call back.
    pub async fn submit(&self, call: Call) -> Result<Reply, Failure> {
        let inner = &self.inner;
        let (desk, class) = (call.desk.clone(), call.command.class());
        let queue = inner.queue().ok_or(Failure::Draining)?;
        if writer::QUEUE - queue.capacity() >= room(class) {
            return Err(Failure::Overloaded { retry_after: writer::RETRY_AFTER });
        }
        let (reply, outcome) = oneshot::channel();
        let task = Task::Call { call: Arc::new(call), held: None };
        queue.try_send(Job::new(task, Some(reply))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::Overloaded { retry_after: writer::RETRY_AFTER },
            mpsc::error::TrySendError::Closed(_) => Failure::Draining,
        })?;
        drop(queue);
        let Outcome { answer, ticket, agent, scope, repeated } = outcome.await.map_err(|_| Failure::Internal)??;
        let mut reply = Reply { answer, ticket, agent, scope, repeated };
        if repeated {
            inner.read_rows(&desk, &mut reply).await?;
        }
        Ok(reply)
    }

    pub fn store(&self) -> &S {
        &self.inner.store
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub fn entropy(&self) -> &Entropy {
        &self.inner.entropy
    }

    /// Where decision streams wait for new entries and read recent ones from memory.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// Renews leases; for each, whether that epoch is the agent's current session.
    ///
    /// # Errors
    /// [`Failure::StoreAway`] while the index does not answer.
    pub async fn beat(&self, desk: &DeskKey, beats: &[(AgentId, u64)]) -> Result<Vec<bool>, Failure> {
        let inner = &self.inner;
        let named = inner.with_desk(desk, |state| {
            let number = |(agent, session): &(AgentId, u64)| {
                // One that is over is not asked for: the index may be behind.
                let row = state.roster.find(agent).filter(|row| !row.is_over(*session))?;
                Some(Beat { agent: row.number, session: *session })
            };
            (state.epoch, beats.iter().map(number).collect::<Vec<Option<Beat>>>())
        });
        let Some((epoch, named)) = named else { return Ok(vec![false; beats.len()]) };
        let known: Vec<Beat> = named.iter().flatten().copied().collect();
        let beaten = inner.index.beat(desk, epoch, &known, inner.clock.now()).await;
        let (renewed, reservations) = beaten.map_err(|error| {
            if matches!(error, availability::Error::WrongEpoch { .. }) {
                inner.reports.report(desk, Doubt::View, epoch);
            }
            Failure::StoreAway { retry_after: writer::RETRY_AFTER }
        })?;
        if let Some(queue) = inner.queue() {
            for reservation in reservations {
                let task = Task::Propose { desk: desk.clone(), reservation };
                // A full queue loses a proposal, not the leg: its reservation lapses and it is matched again.
                let _lapses = queue.try_send(Job::new(task, None));
            }
        }
        let mut renewed = renewed.into_iter();
        let answers: Vec<bool> = named.iter().map(|beat| beat.is_some() && renewed.next().unwrap_or(false)).collect();
        let mut suspects = inner.suspects();
        for ((agent, _), _) in beats.iter().zip(&answers).filter(|(_, live)| **live) {
            suspects.remove(&(desk.clone(), agent.clone()));
        }
        Ok(answers)
    }

    /// How often, since the start, a view was found not to be what the log says. Anything but zero is damage or a bug.
    pub fn drifts(&self) -> u64 {
        self.inner.drifts.load(Ordering::Relaxed)
    }

    pub fn lease(&self, desk: &DeskKey, agent: &AgentId) -> Lease {
        let session = self.agent(desk, agent).is_some_and(|row| row.session.is_some());
        if !session {
            Lease::Lost
        } else if self.inner.suspects().contains(&(desk.clone(), agent.clone())) {
            Lease::Suspect
        } else {
            Lease::Live
        }
    }

    /// The agent as of the last commit, from memory; deleted ones too.
    pub fn agent(&self, desk: &DeskKey, agent: &AgentId) -> Option<Arc<Agent>> {
        self.inner.with_desk(desk, |state| state.roster.find(agent).cloned()).flatten()
    }

    /// Where the ticket's waiting leg stands, and who is kept from it by what, as far as memory knows; `None` when no leg waits.
    pub fn waiting(&self, desk: &DeskKey, ticket: &Ticket) -> Option<Waiting> {
        let leg = ticket.pending_leg().filter(|leg| leg.state == LegState::Waiting)?;
        let now = self.inner.clock.now();
        self.inner.with_desk(desk, |state| {
            let position = state.position(ticket, leg);
            let nobody = matches!(
                ticket.infeasibility,
                Some(Infeasibility::Never | Infeasibility::Absent | Infeasibility::ConnectorAway)
            );
            let pace = state.pace(&ticket.queue, now).filter(|_| !nobody);
            Waiting {
                position,
                estimated: pace.map(|pace| pace * i64::from(position)),
                infeasibility: ticket.infeasibility,
                unfit: kept_from(&state.roster, ticket, leg, &[]),
            }
        })
    }

    /// Agents on duty who satisfy a need.
    pub fn on_count(&self, desk: &DeskKey, need: &Requirement) -> u32 {
        self.inner.with_desk(desk, |state| state.roster.on_count(need)).unwrap_or(0)
    }
}

/// How far the writer's queue may be filled by calls of a class.
fn room(class: u8) -> usize {
    match class {
        0 | 1 => writer::QUEUE,
        2 => writer::QUEUE / 2,
        3 => writer::QUEUE / 4,
        _ => writer::QUEUE / 8,
    }
}

impl<S: Store, A: Availability> Inner<S, A> {
    /// The rows of now behind an answer that was given before.
    async fn read_rows(&self, desk: &DeskKey, reply: &mut Reply) -> Result<(), Failure> {
        let store = |error| Failure::of_store(&error);
        let ticket: Option<TicketId> = match &reply.answer {
            Answer::Ticket { ticket } | Answer::Transfer { ticket, .. } | Answer::Escalated { ticket, .. } => {
                Some(*ticket)
            }
            Answer::Leg { leg } => Some(leg.ticket),
            Answer::Offer { offer } => Some(offer.leg.ticket),
            Answer::Agent { agent } | Answer::Session { agent, .. } => {
                reply.agent = self.store.get_agent(desk, agent).await.map_err(store)?;
                None
            }
            Answer::Done | Answer::Desk | Answer::Connector { .. } | Answer::Policy { .. } => None,
        };
        if let Some(ticket) = ticket {
            reply.ticket = self.store.get_ticket(desk, ticket).await.map_err(store)?;
        }
        Ok(())
    }
}
