//! WatchTicket: a ticket as its customer may see it, now and at every change.
//!
//! A watcher is woken by its desk's log and looks in memory whether an entry is of its ticket; only then does it read the
//! store. Place and wait move without entries of the ticket: they are asked for once a second, while it waits.

use std::sync::Arc;

use futures_util::stream::unfold;
use tokio::sync::watch;
use tonic::Status;

use super::{Answers, Tickets};
use crate::availability::Availability;
use crate::domain::ticket::{Ticket, TicketState};
use crate::domain::time::{Span, Time};
use crate::grpc::name::TicketRef;
use crate::grpc::render::{self, History, View, hide_from_customer};
use crate::grpc::status::Fault;
use crate::proto::handoff::v1 as pb;
use crate::store::Store;
use crate::stream::hub::Recent;

/// Entries of the history in the first message.
const HISTORY: usize = 100;
/// How often a change of place or wait is told.
const TICK: Span = Span::from_secs(1);

impl<S: Store, A: Availability> Tickets<S, A> {
    pub(super) async fn watch(&self, ticket: TicketRef) -> Result<Answers<pb::WatchTicketResponse>, Status> {
        // Before the first read: what is appended from here on wakes the watcher.
        let head = self.engine.hub().head(&ticket.desk);
        let looked = *head.borrow();
        let mut watcher = Watcher {
            row: self.find(&ticket).await?,
            history: self.history(&ticket),
            tickets: self.clone(),
            ticket,
            head,
            looked,
            read: 0,
            next_tick: self.engine.clock().now() + TICK,
            told: None,
            over: false,
        };
        let first = watcher.first().await?;
        let stream = unfold((Some(first), watcher), |(first, mut watcher)| async move {
            let message = match first {
                Some(first) => Ok(first),
                None => watcher.next().await?,
            };
            Some((message, (None, watcher)))
        });
        Ok(Box::pin(stream))
    }
}

struct Watcher<S, A> {
    tickets: Tickets<S, A>,
    ticket: TicketRef,
    head: watch::Receiver<u64>,
    /// Entries of the desk up to here were looked at.
    looked: u64,
    /// Entries of the ticket up to here were told.
    read: u64,
    history: History,
    row: Arc<Ticket>,
    next_tick: Time,
    /// The place and wait told last.
    told: Option<pb::Wait>,
    over: bool,
}

enum Woken {
    Stopping,
    Log,
    Tick,
}

impl<S: Store, A: Availability> Watcher<S, A> {
    async fn first(&mut self) -> Result<pb::WatchTicketResponse, Status> {
        let mut events = self.news().await?;
        let surplus = events.len().saturating_sub(HISTORY);
        events.drain(..surplus);
        self.row = self.tickets.find(&self.ticket).await?;
        Ok(self.message(events))
    }

    async fn next(&mut self) -> Option<Result<pb::WatchTicketResponse, Status>> {
        if self.over {
            return None;
        }
        let message = self.wait_for_change().await;
        self.over |= message.is_err();
        Some(message)
    }

    async fn wait_for_change(&mut self) -> Result<pb::WatchTicketResponse, Status> {
        loop {
            match self.woken().await {
                Woken::Stopping => return Err(Fault::shutting_down().into()),
                Woken::Log => {
                    let events = if self.touched() { self.news().await? } else { Vec::new() };
                    if !events.is_empty() {
                        self.row = self.tickets.find(&self.ticket).await?;
                        return Ok(self.message(events));
                    }
                }
                Woken::Tick => {
                    self.next_tick = self.tickets.engine.clock().now() + TICK;
                    let waiting = self.tickets.engine.waiting(&self.ticket.desk, &self.row);
                    if waiting.as_ref().map(render::wait) != self.told {
                        return Ok(self.message(Vec::new()));
                    }
                }
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let waits = self.row.pending_leg().is_some();
        tokio::select! {
            biased;
            () = self.tickets.shutdown.wait() => Woken::Stopping,
            () = self.tickets.engine.clock().sleep_until(self.next_tick), if waits => Woken::Tick,
            changed = self.head.changed() => if changed.is_ok() { Woken::Log } else { Woken::Stopping },
        }
    }

    /// Whether the log has something of this ticket that was not looked at.
    fn touched(&mut self) -> bool {
        let head = *self.head.borrow_and_update();
        let hub = self.tickets.engine.hub();
        let id = self.ticket.id();
        let recent = hub.scan(&self.ticket.desk, self.looked, 1, |row| row.entry.event.ticket == Some(id));
        self.looked = self.looked.max(head);
        match recent {
            Recent::Rows { rows, .. } => !rows.is_empty(),
            Recent::Older => true,
        }
    }

    /// The entries since the last message.
    async fn news(&mut self) -> Result<Vec<pb::TicketEvent>, Status> {
        let mut events = Vec::new();
        loop {
            let entries = self.tickets.entries(&self.ticket, self.read).await?;
            let Some(last) = entries.last() else { return Ok(events) };
            self.read = last.seq;
            events.extend(entries.iter().map(|entry| hide_from_customer(self.history.next(entry))));
        }
    }

    fn message(&mut self, events: Vec<pb::TicketEvent>) -> pb::WatchTicketResponse {
        let ticket = self.tickets.draw(&self.ticket.desk, &self.row, View::Customer);
        self.told = ticket.wait;
        self.over = matches!(self.row.state, TicketState::Closed | TicketState::Cancelled);
        pb::WatchTicketResponse { ticket: Some(ticket), events }
    }
}
