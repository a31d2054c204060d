//! Classes: which commands go first inside a batch, and which are shed last.

use super::Command;

impl Command {
    /// Class 0 frees capacity or ends work; 1 is the engine's own; then creation and transfers; 4 is administration. Inside a
    /// batch a lower class is decided first, so that an accept beats the expiry that it raced.
    pub fn class(&self) -> u8 {
        match self {
            Command::AcceptOffer { .. }
            | Command::DeclineOffer { .. }
            | Command::ConfirmOffer { .. }
            | Command::FailOffer { .. }
            | Command::EndLeg { .. }
            | Command::FinishWrapUp { .. }
            | Command::CancelTicket { .. }
            | Command::ResolveTicket { .. } => 0,
            Command::Propose { .. }
            | Command::Diagnose { .. }
            | Command::LiftExclusions { .. }
            | Command::Relane { .. }
            | Command::TickTicket { .. }
            | Command::TickAgent { .. }
            | Command::QuarantineTicket { .. }
            | Command::ConnectorPresence { .. }
            | Command::EndSession { .. } => 1,
            Command::CreateTicket(_)
            | Command::UpdateTicket { .. }
            | Command::ReopenTicket { .. }
            | Command::HoldTicket { .. }
            | Command::ResumeTicket { .. }
            | Command::RequeueTicket { .. }
            | Command::AssignTicket { .. }
            | Command::EscalateTicket { .. }
            | Command::TransferTicket { .. }
            | Command::ReleaseTicket { .. }
            | Command::SetAgentState { .. }
            | Command::ReportEndpoint { .. }
            | Command::StartSession { .. } => 2,
            Command::CreateDesk { .. }
            | Command::UpdateDesk { .. }
            | Command::UpdatePolicy { .. }
            | Command::CreateConnector { .. }
            | Command::UpdateConnector { .. }
            | Command::DeleteConnector { .. }
            | Command::Intern { .. }
            | Command::Retire { .. }
            | Command::CreateAgent { .. }
            | Command::UpdateAgent { .. }
            | Command::DeleteAgent { .. } => 4,
        }
    }

    /// Whether it is about a ticket and those who work on it, and leaves alone what other decisions are measured by: who is on
    /// the desk, what was said of legs that wait, and how the desk is set up.
    pub fn is_of_a_ticket(&self) -> bool {
        match self {
            Command::AcceptOffer { .. }
            | Command::DeclineOffer { .. }
            | Command::ConfirmOffer { .. }
            | Command::FailOffer { .. }
            | Command::EndLeg { .. }
            | Command::FinishWrapUp { .. }
            | Command::CancelTicket { .. }
            | Command::ResolveTicket { .. }
            | Command::Propose { .. }
            | Command::LiftExclusions { .. }
            | Command::TickTicket { .. }
            | Command::CreateTicket(_)
            | Command::UpdateTicket { .. }
            | Command::ReopenTicket { .. }
            | Command::HoldTicket { .. }
            | Command::ResumeTicket { .. }
            | Command::RequeueTicket { .. }
            | Command::AssignTicket { .. }
            | Command::EscalateTicket { .. }
            | Command::TransferTicket { .. }
            | Command::QuarantineTicket { .. }
            | Command::ReleaseTicket { .. } => true,
            Command::Diagnose { .. }
            | Command::Relane { .. }
            | Command::TickAgent { .. }
            | Command::ConnectorPresence { .. }
            | Command::StartSession { .. }
            | Command::EndSession { .. }
            | Command::SetAgentState { .. }
            | Command::ReportEndpoint { .. }
            | Command::CreateDesk { .. }
            | Command::UpdateDesk { .. }
            | Command::UpdatePolicy { .. }
            | Command::CreateConnector { .. }
            | Command::UpdateConnector { .. }
            | Command::DeleteConnector { .. }
            | Command::Intern { .. }
            | Command::Retire { .. }
            | Command::CreateAgent { .. }
            | Command::UpdateAgent { .. }
            | Command::DeleteAgent { .. } => false,
        }
    }
}
