//! What is to happen, and when.

use std::cmp::Ordering;

use crate::domain::id::{OfferId, TicketId};
use crate::domain::time::Time;

#[derive(Clone, Copy)]
pub(super) enum Happening {
    ComesOn(usize),
    GoesOff(usize),
    Answers(OfferId),
    Ends(TicketId),
    GivesUp(TicketId),
    Due(TicketId),
}

pub(super) struct Planned {
    pub at: Time,
    /// In the order of planning.
    pub nth: u64,
    pub what: Happening,
}

impl Ord for Planned {
    /// The earliest is the greatest, for the heap.
    fn cmp(&self, other: &Planned) -> Ordering {
        (other.at, other.nth).cmp(&(self.at, self.nth))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Planned) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Planned) -> bool {
        self.nth == other.nth
    }
}

impl Eq for Planned {}
