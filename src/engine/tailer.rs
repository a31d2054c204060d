//! The tailer: reads a desk's log on from where memory or the index is, and moves both over it.
//!
//! What this process commits is followed from memory. The tailer is for the rest: commits of other replicas, those of whose
//! outcome nobody heard, and those over which the index was not moved. It reads entries first and then the rows of now that they
//! touched, so that no row is older than the number that it is told with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Inner;
use super::call::Failure;
use super::desk::{DeskChange, Moved};
use super::doubts::Doubt;
use super::writer::{Job, Writer};
use crate::availability::{Advanced, Availability, Change};
use crate::domain::event::{Body, Entry};
use crate::domain::id::{AgentId, DeskKey, TicketId};
use crate::domain::log::LogRow;
use crate::domain::ticket::Ticket;
use crate::routing::workset::Scope;
use crate::store::Store;

/// Entries that are read at once.
const STRETCH: u32 = 512;
/// A view that is further behind is built anew.
const TOO_FAR: u64 = 100_000;

/// A part of a desk's log, with what it changed.
struct Stretch {
    to: u64,
    entries: Vec<Arc<Entry>>,
    tickets: BTreeMap<TicketId, Arc<Ticket>>,
    change: DeskChange,
    /// Where something of the desk itself changed.
    scope: Option<Scope>,
}

/// Who is told what the log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Both,
    /// The index does not answer.
    Memory,
}

/// What lies after a number of the log.
enum Further {
    Nothing,
    Stretch(Box<Stretch>),
    /// Entries whose retention is over.
    Gone,
    /// Something about the desk itself that only a newer version understands.
    Strange,
}

impl<S: Store, A: Availability> Inner<S, A> {
    async fn further(&self, desk: &DeskKey, after: u64) -> Result<Further, Failure> {
        let store = |error| Failure::of_store(&error);
        // The head first: what it counts and is not found is gone, and not merely later.
        let head = self.store.head(desk).await.map_err(store)?.map_or(0, |(head, _)| head);
        if head <= after {
            return Ok(Further::Nothing);
        }
        let entries = self.store.events_after(desk, after, STRETCH).await.map_err(store)?;
        let Some(last) = entries.last().filter(|_| entries[0].seq == after + 1) else { return Ok(Further::Gone) };
        if entries.iter().any(|entry| entry.event.body == Body::Newer && entry.event.ticket.is_none()) {
            return Ok(Further::Strange);
        }
        let to = last.seq;
        let named: BTreeSet<TicketId> = entries.iter().filter_map(|entry| entry.event.ticket).collect();
        let tickets = self.store.tickets(desk, &named).await.map_err(store)?;
        let of_events = entries.iter().flat_map(|entry| entry.event.body.agents());
        let agents: BTreeSet<AgentId> =
            of_events.chain(tickets.iter().flat_map(|row| worked_on_by(row))).cloned().collect();
        let agents = self.store.agents(desk, &agents).await.map_err(store)?;
        // What is not of a ticket may be of the desk itself.
        let scope = if entries.iter().any(|entry| entry.event.ticket.is_none()) {
            self.store.scope(desk).await.map_err(store)?
        } else {
            None
        };
        let tickets: BTreeMap<TicketId, Arc<Ticket>> = tickets.into_iter().map(|row| (row.id, row)).collect();
        let known = self.with_desk(desk, |state| state.head).unwrap_or(0);
        let moved = tickets.values().map(|row| Moved { before: None, after: row.clone() });
        let mut change = DeskChange { tickets: moved.collect(), agents, ..DeskChange::default() };
        for entry in &entries {
            let ticket = entry.event.ticket.and_then(|id| tickets.get(&id));
            change.note(&entry.event, ticket.filter(|_| entry.seq > known).map(Arc::as_ref));
        }
        Ok(Further::Stretch(Box::new(Stretch { to, entries, tickets, change, scope })))
    }
}

/// Everybody whose row an event of this ticket may have changed.
fn worked_on_by(ticket: &Ticket) -> impl Iterator<Item = &AgentId> {
    ticket.legs.iter().flat_map(|leg| leg.offers.iter().map(|offer| &offer.agent).chain(leg.agent.as_ref()))
}

impl Stretch {
    /// As streams read it.
    fn log_rows(&self) -> impl Iterator<Item = Arc<LogRow>> {
        self.entries.iter().map(|entry| {
            let ticket = entry.event.ticket.and_then(|id| self.tickets.get(&id));
            let (ticket_name, content) = ticket.map(|row| (row.name.clone(), row.content.clone())).unzip();
            Arc::new(LogRow { entry: entry.clone(), ticket_name, content })
        })
    }
}

impl<S: Store, A: Availability> Writer<S, A> {
    /// Brings memory and the index to the head of the log. What cannot be done now leaves a doubt.
    pub(super) async fn catch_up(&mut self, desk: &DeskKey) {
        let Some((head, epoch)) = self.inner.with_desk(desk, |state| (state.head, state.epoch)) else {
            return self.bring_in(desk).await;
        };
        // The view may be behind memory, and says so; or ahead, for another replica was quicker.
        let now = self.inner.clock.now();
        let at = match self.inner.index.advance(desk, epoch, head, head, Change::default(), now).await {
            Ok(Advanced::Behind { cursor }) => cursor,
            Ok(Advanced::Passed | Advanced::Applied { .. }) => head,
            Err(error) => {
                self.doubt(desk, &error);
                return self.tail(desk, head, Told::Memory).await;
            }
        };
        if head.saturating_sub(at) > TOO_FAR {
            return self.doubts.raise_now(desk.clone(), Doubt::View);
        }
        self.tail(desk, at, Told::Both).await;
        self.rematch(desk, epoch).await;
    }

    /// What the index chose in a later state of the log than memory is in, memory does not know yet.
    pub(super) async fn keep_up(&mut self, jobs: &[Job]) {
        let ahead = |job: &Job| {
            let chosen_at = job.task.reservation()?.cursor;
            let head = self.inner.with_desk(job.task.desk(), |state| state.head)?;
            (chosen_at > head).then(|| job.task.desk().clone())
        };
        let desks: BTreeSet<DeskKey> = jobs.iter().filter_map(ahead).collect();
        for desk in desks {
            self.catch_up(&desk).await;
        }
    }

    /// Matches what a rebuild left unmatched.
    async fn rematch(&mut self, desk: &DeskKey, epoch: u64) {
        while self.doubts.of(desk).is_none() {
            let now = self.inner.clock.now();
            match self.inner.index.rematch(desk, epoch, now).await {
                Ok((reservations, done)) => {
                    let none = reservations.is_empty();
                    self.propose(desk, reservations);
                    if done {
                        return;
                    }
                    if none {
                        // It is not where it was when it was built: behind again, or somebody else matches.
                        return self.doubts.raise(desk.clone(), Doubt::Head);
                    }
                }
                Err(error) => self.doubt(desk, &error),
            }
        }
    }

    /// Moves over the log after `from`, up to its head.
    pub(super) async fn tail(&mut self, desk: &DeskKey, mut from: u64, mut told: Told) {
        loop {
            match self.inner.further(desk, from).await {
                Ok(Further::Nothing) if told == Told::Both => return self.doubts.dispel(desk, Doubt::Head),
                Ok(Further::Nothing) => return,
                Ok(Further::Gone) => {
                    tracing::error!(desk = %desk.desk, from, "what the log said is gone: the desk is read anew");
                    self.inner.desks_mut().remove(desk);
                    return self.bring_in(desk).await;
                }
                Ok(Further::Strange) => {
                    tracing::info!(desk = %desk.desk, from, "a newer version changed the desk: it is read anew");
                    // The index may have been told of it, or not: its view begins anew as well, at what is read here.
                    let doubt = match self.inner.read_desk(desk).await {
                        Ok(_) => Doubt::Drift,
                        Err(failure) => {
                            tracing::warn!(desk = %desk.desk, %failure, "the desk could not be read");
                            Doubt::Head
                        }
                    };
                    return self.doubts.raise(desk.clone(), doubt);
                }
                Ok(Further::Stretch(stretch)) => {
                    let Some(next) = self.take_in(desk, from, *stretch, &mut told).await else { return };
                    from = next;
                }
                Err(failure) => {
                    tracing::warn!(desk = %desk.desk, %failure, "the log could not be read on");
                    return self.doubts.raise(desk.clone(), Doubt::Head);
                }
            }
        }
    }

    /// Answers where to go on. An index that does not answer is not asked again.
    async fn take_in(&mut self, desk: &DeskKey, from: u64, stretch: Stretch, told: &mut Told) -> Option<u64> {
        let now = self.inner.clock.now();
        let rows: Vec<Arc<LogRow>> = stretch.log_rows().collect();
        let Stretch { to, change, scope, .. } = stretch;
        let (epoch, followed) =
            self.inner.with_desk_mut(desk, |state| (state.epoch, state.follow(change, scope, to, now)))?;
        self.inner.hub.publish(desk, rows, to);
        let mut next = to;
        if *told == Told::Both {
            match self.inner.index.advance(desk, epoch, from, to, followed.change, now).await {
                Ok(Advanced::Applied { reservations, .. }) => self.propose(desk, reservations),
                Ok(Advanced::Passed) => {}
                // It lost what it had, and has an older state now.
                Ok(Advanced::Behind { cursor }) => next = cursor,
                Err(error) => {
                    self.doubt(desk, &error);
                    *told = Told::Memory;
                }
            }
        }
        self.news.add_later(desk, followed.moved, now);
        self.news.add_later(desk, followed.touched, now);
        if followed.relane {
            self.relane(desk).await;
        }
        Some(next)
    }
}
