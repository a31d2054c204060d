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
}
