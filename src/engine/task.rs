//! What the writer is given to do.

use std::sync::Arc;

use super::call::Call;
use crate::availability::Reservation;
use crate::domain::id::DeskKey;
use crate::routing::command::Command;

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// Somebody's call; a ticket to be created comes with whom the index holds for it.
    Call { call: Arc<Call>, held: Option<Reservation> },
    /// The engine's own.
    Own { desk: DeskKey, command: Command },
    /// The index holds agents for a waiting leg.
    Propose { desk: DeskKey, reservation: Reservation },
}

impl Task {
    pub fn desk(&self) -> &DeskKey {
        match self {
            Task::Call { call, .. } => &call.desk,
            Task::Own { desk, .. } | Task::Propose { desk, .. } => desk,
        }
    }

    /// Whom the index holds for it.
    pub fn reservation(&self) -> Option<&Reservation> {
        match self {
            Task::Call { held, .. } => held.as_ref(),
            Task::Own { .. } => None,
            Task::Propose { reservation, .. } => Some(reservation),
        }
    }

    /// Whatever the index holds for it is given up.
    pub fn forget_held(&mut self) {
        if let Task::Call { held, .. } = self {
            *held = None;
        }
    }

    /// Whether it may be decided while the batch before is being written. What then is said of the desk may be one batch old: a
    /// reason to wait is put right when both are committed.
    pub fn overlaps(&self) -> bool {
        match self {
            Task::Call { call, .. } => call.command.is_of_a_ticket(),
            Task::Own { command, .. } => command.is_of_a_ticket(),
            Task::Propose { .. } => true,
        }
    }

    /// Whether it says why a leg waits.
    pub fn is_diagnosis(&self) -> bool {
        matches!(self, Task::Own { command: Command::Diagnose { .. }, .. })
    }

    pub fn class(&self) -> u8 {
        match self {
            Task::Call { call, .. } => call.command.class(),
            Task::Own { command, .. } => command.class(),
            Task::Propose { .. } => 1,
        }
    }
}
