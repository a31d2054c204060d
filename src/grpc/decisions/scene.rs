//! Reads what a decision needs beside its log entry.

use std::sync::Arc;

use tonic::Status;

use crate::availability::Availability;
use crate::domain::event::Entry;
use crate::domain::id::{AgentId, ConnectorId, DeskKey, TicketId};
use crate::domain::log::LogRow;
use crate::domain::ticket::Ticket;
use crate::engine::Engine;
use crate::grpc::render::decision::{Needs, Scene, needs};
use crate::grpc::status::{internal, of_store};
use crate::proto::handoff::v1 as pb;
use crate::store::Store;

/// Events of a ticket read at once.
const PAGE: u32 = 500;

/// Draws decisions for one reader; keeps the last ticket it read, for consecutive decisions are often of one ticket.
pub(super) struct Drawing<'a, S, A> {
    pub engine: &'a Engine<S, A>,
    pub desk: &'a DeskKey,
    /// `None`: a monitor.
    pub receiver: Option<&'a ConnectorId>,
    pub last: Option<Arc<Ticket>>,
}

impl<S: Store, A: Availability> Drawing<'_, S, A> {
    pub async fn decision(&mut self, row: &LogRow) -> Result<pb::Decision, Status> {
        let event = &row.entry.event;
        let needs = needs(&event.body);
        let ticket = match (needs, event.ticket) {
            (Needs::Entry, _) | (_, None) => None,
            (Needs::Ticket | Needs::History, Some(id)) => Some(self.ticket(id).await?),
        };
        let history = match (needs, event.ticket) {
            (Needs::History, Some(id)) => self.history(id, row.seq()).await?,
            (Needs::Entry | Needs::Ticket, _) | (Needs::History, None) => Vec::new(),
        };
        let display_name = |agent: &AgentId| self.display_name(agent);
        let scene = Scene {
            desk: self.desk,
            incarnation: self.engine.store().incarnation(),
            receiver: self.receiver,
            row,
            ticket: ticket.as_deref(),
            history: &history,
            display_name: &display_name,
        };
        scene.decision().ok_or_else(|| {
            tracing::error!(seq = row.seq(), "a log entry cannot be drawn as a decision");
            internal()
        })
    }

    async fn ticket(&mut self, id: TicketId) -> Result<Arc<Ticket>, Status> {
        if let Some(last) = self.last.as_ref().filter(|last| last.id == id) {
            return Ok(last.clone());
        }
        let read = self.engine.store().get_ticket(self.desk, id).await.map_err(|error| of_store(&error))?;
        let ticket = read.ok_or_else(|| {
            tracing::error!(ticket.id = %id, "the log has a decision of a ticket that is not there");
            internal()
        })?;
        self.last = Some(ticket.clone());
        Ok(ticket)
    }

    /// The ticket's events before `seq`.
    async fn history(&self, id: TicketId, seq: u64) -> Result<Vec<Arc<Entry>>, Status> {
        let mut events: Vec<Arc<Entry>> = Vec::new();
        loop {
            let after = events.last().map_or(0, |last| last.seq);
            let page = self.engine.store().ticket_events(self.desk, id, after, PAGE).await;
            let page = page.map_err(|error| of_store(&error))?;
            let is_last = page.len() < PAGE as usize || page.last().is_some_and(|last| last.seq >= seq);
            events.extend(page.into_iter().take_while(|entry| entry.seq < seq));
            if is_last {
                return Ok(events);
            }
        }
    }

    fn display_name(&self, agent: &AgentId) -> String {
        self.engine.agent(self.desk, agent).map(|row| row.profile.display_name.to_string()).unwrap_or_default()
    }
}
