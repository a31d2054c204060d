//! A draft: the events of one command so far, and the rows as they are after them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::{Actor, Body, Event};
use crate::domain::id::{AgentId, ConnectorId, LegId, OfferId, TicketId};
use crate::domain::leg::Leg;
use crate::domain::offer::Offer;
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::policy::Policy;
use crate::policy::queue::Queue;
use crate::routing::evolve::evolve;
use crate::routing::reject::{Kind, Reject};
use crate::routing::workset::{Scope, WorkingSet};

pub(super) struct Draft<'a> {
    ws: WorkingSet<'a>,
    events: Vec<Event>,
    actor: Actor,
    now: Time,
}

impl<'a> Draft<'a> {
    /// `ws`: rows to be changed; a layer over others leaves those alone.
    pub fn new(ws: WorkingSet<'a>, actor: Actor, now: Time) -> Draft<'a> {
        Draft { ws, events: Vec::new(), actor, now }
    }

    pub fn now(&self) -> Time {
        self.now
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The events, and the rows that they leave.
    pub fn into_parts(self) -> (Vec<Event>, WorkingSet<'a>) {
        (self.events, self.ws)
    }

    pub fn ws(&self) -> &WorkingSet<'a> {
        &self.ws
    }

    /// The desk's scope, or the refusal that there is no such desk.
    pub fn scope(&self) -> Result<&Scope, Reject> {
        self.ws.scope.as_ref().ok_or_else(|| Reject::not_found(Kind::Desk, &self.ws.key.desk))
    }

    pub fn ticket(&self, id: TicketId) -> Result<Arc<Ticket>, Reject> {
        self.scope()?;
        self.ws.tickets.get(&id).cloned().ok_or_else(|| Reject::not_found(Kind::Ticket, id.default_name()))
    }

    pub fn leg(&self, id: LegId) -> Result<(Arc<Ticket>, Leg), Reject> {
        let ticket = self.ticket(id.ticket)?;
        let leg = ticket.leg(id.leg).cloned().ok_or_else(|| Reject::not_found(Kind::Leg, id))?;
        Ok((ticket, leg))
    }

    pub fn offer(&self, id: OfferId) -> Result<(Arc<Ticket>, Leg, Offer), Reject> {
        let missing = || Reject::not_found(Kind::Offer, id);
        let ticket = self.ticket(id.leg.ticket).map_err(|_| missing())?;
        let (leg, offer) = ticket.offer(id).map(|(leg, offer)| (leg.clone(), offer.clone())).ok_or_else(missing)?;
        Ok((ticket, leg, offer))
    }

    pub fn agent(&self, id: &AgentId) -> Result<Arc<Agent>, Reject> {
        self.scope()?;
        let found = self.ws.agents.get(id).filter(|agent| !agent.deleted).cloned();
        found.ok_or_else(|| Reject::not_found(Kind::Agent, id))
    }

    pub fn connector(&self, id: &ConnectorId) -> Result<Arc<Connector>, Reject> {
        let found = self.scope()?.connectors.get(id).filter(|connector| !connector.deleted).cloned();
        found.ok_or_else(|| Reject::not_found(Kind::Connector, id))
    }

    /// The policy that the ticket is pinned to.
    pub fn policy(&self, ticket: &Ticket) -> Arc<Policy> {
        let scope = self.ws.scope.as_ref().expect("a ticket has a desk");
        scope.policy(ticket.policy_rev).clone()
    }

    /// The ticket's queue under its pinned policy.
    pub fn queue(&self, ticket: &Ticket) -> Cow<'_, Queue> {
        let scope = self.ws.scope.as_ref().expect("a ticket has a desk");
        let known = scope.policy(ticket.policy_rev).queue(&ticket.queue);
        known.map_or_else(|| Cow::Owned(Queue::new(ticket.queue.clone())), Cow::Borrowed)
    }

    /// Adds a ticket's event, applied at once. Decisions get the ticket's next number.
    pub fn emit(&mut self, ticket: TicketId, body: Body) {
        let last = self.ws.tickets.get(&ticket).map_or(0, |row| row.ticket_seq);
        let ticket_seq = if body.decision_kind().is_some() { last + 1 } else { 0 };
        self.push(Event { at: self.now, actor: self.actor.clone(), ticket: Some(ticket), ticket_seq, body });
    }

    /// Adds an event of the desk, a connector or an agent.
    pub fn emit_desk(&mut self, body: Body) {
        self.push(Event { at: self.now, actor: self.actor.clone(), ticket: None, ticket_seq: 0, body });
    }

    fn push(&mut self, event: Event) {
        evolve(&mut self.ws, &event);
        self.events.push(event);
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
