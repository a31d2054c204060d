//! Roots: which rows each command works on.

use std::sync::Arc;

use super::Command;
use crate::domain::id::{AgentId, ConnectorId, QueueId, TicketId};
use crate::domain::ticket::Target;

/// The rows that a command works on, found without locks. The store adds what follows from them: a ticket brings its
/// [`concerned agents`](crate::domain::ticket::Ticket::concerned_agents) and who holds its conversation keys; a conversation
/// brings the ticket that holds it; an agent `with_work` brings the tickets of its open legs, and those waiting for it, with their agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    pub tickets: Vec<TicketId>,
    pub agents: Vec<AgentId>,
    pub agents_with_work: Vec<AgentId>,
    pub conversations: Vec<(ConnectorId, Arc<str>)>,
    /// Queues whose waiting legs are counted.
    pub queues: Vec<QueueId>,
    /// Whether the desk's own rows may change: its settings, connectors, policy, interned tables and counters.
    pub scope: bool,
}

impl Command {
    pub fn roots(&self) -> Roots {
        let ticket = |ticket: &TicketId| Roots { tickets: vec![*ticket], ..Roots::default() };
        let agent = |agent: &AgentId| Roots { agents: vec![agent.clone()], ..Roots::default() };
        let with_work = |agent: &AgentId| Roots { agents_with_work: vec![agent.clone()], ..Roots::default() };
        match self {
            Command::CreateDesk { .. }
            | Command::UpdateDesk { .. }
            | Command::UpdatePolicy { .. }
            | Command::CreateConnector { .. }
            | Command::UpdateConnector { .. }
            | Command::DeleteConnector { .. }
            | Command::ConnectorPresence { .. }
            | Command::Intern { .. }
            | Command::Retire { .. } => Roots { scope: true, ..Roots::default() },
            Command::CreateAgent { agent: id, .. } => Roots { scope: true, ..agent(id) },
            Command::UpdateAgent { agent, .. }
            | Command::DeleteAgent { agent, .. }
            | Command::SetAgentState { agent, .. }
            | Command::ReportEndpoint { agent, .. }
            | Command::StartSession { agent, .. }
            | Command::EndSession { agent, .. }
            | Command::TickAgent { agent } => with_work(agent),
            Command::CreateTicket(new) => Roots {
                tickets: vec![new.id],
                agents: new.preferred.clone(),
                conversations: new
                    .content
                    .conversation_keys
                    .iter()
                    .map(|key| (new.connector.clone(), key.clone()))
                    .collect(),
                ..Roots::default()
            },
            Command::UpdateTicket { ticket: id, .. }
            | Command::CancelTicket { ticket: id, .. }
            | Command::ResolveTicket { ticket: id, .. }
            | Command::ReopenTicket { ticket: id, .. }
            | Command::HoldTicket { ticket: id, .. }
            | Command::ResumeTicket { ticket: id }
            | Command::RequeueTicket { ticket: id, .. }
            | Command::EscalateTicket { ticket: id, .. }
            | Command::QuarantineTicket { ticket: id, .. }
            | Command::ReleaseTicket { ticket: id }
            | Command::TickTicket { ticket: id } => ticket(id),
            Command::AssignTicket { ticket, agent, .. } => {
                Roots { tickets: vec![*ticket], agents: vec![agent.clone()], ..Roots::default() }
            }
            Command::TransferTicket { ticket, transfer } => {
                let target = match &transfer.target {
                    Target::Agent(agent) => vec![agent.clone()],
                    Target::Requirement(_) | Target::Queue(_) => Vec::new(),
                };
                Roots { tickets: vec![*ticket], agents: target, ..Roots::default() }
            }
            Command::EndLeg { leg, .. }
            | Command::FinishWrapUp { leg, .. }
            | Command::Diagnose { leg, .. }
            | Command::LiftExclusions { leg, .. }
            | Command::Relane { leg, .. } => ticket(&leg.ticket),
            Command::Propose { leg, agents, .. } => Roots {
                tickets: vec![leg.ticket],
                agents: agents.iter().map(|proposed| proposed.agent.clone()).collect(),
                ..Roots::default()
            },
            Command::AcceptOffer { offer, .. }
            | Command::DeclineOffer { offer, .. }
            | Command::ConfirmOffer { offer }
            | Command::FailOffer { offer, .. } => ticket(&offer.leg.ticket),
        }
    }
}
