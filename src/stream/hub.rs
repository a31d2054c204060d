//! The hub: wakes readers of a desk's log, and keeps its recent entries in memory for them.
//!
//! A reader holds only a cursor. What lies further back than the ring is read from the store, so a reader that never
//! acknowledges costs nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::domain::id::{DeskKey, TicketId};
use crate::domain::log::{LogRow, Selection};

/// Entries of a desk kept for its readers.
const RING: usize = 4_096;

/// What was read from memory.
#[derive(Debug)]
pub enum Recent {
    /// Matching rows after the cursor, in order, up to the limit; and the last number that was looked at.
    Rows { rows: Vec<Arc<LogRow>>, upto: u64 },
    /// The cursor lies before the ring: read the store.
    Older,
}

/// Whether a ticket has entries after a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    Yes,
    No,
    /// The cursor lies before the ring.
    Unknown,
}

#[derive(Debug, Default)]
pub struct Hub {
    /// Guards the map and the rings; held for a copy of a few pointers.
    desks: Mutex<BTreeMap<DeskKey, Desk>>,
}

#[derive(Debug)]
struct Desk {
    head: watch::Sender<u64>,
    /// Every entry since `first`, decisions or not, so that a reader can tell where it stands.
    ring: VecDeque<Arc<LogRow>>,
}

impl Hub {
    /// Adds what a commit appended, in order, and wakes the desk's readers. Entries already known are ignored.
    pub fn publish(&self, desk: &DeskKey, rows: impl IntoIterator<Item = Arc<LogRow>>, head: u64) {
        let mut desks = self.lock();
        let entry = desks.entry(desk.clone()).or_insert_with(|| Desk::new(head));
        for row in rows {
            let next = entry.ring.back().is_none_or(|last| last.seq() < row.seq());
            if next {
                entry.ring.push_back(row);
            }
        }
        let surplus = entry.ring.len().saturating_sub(RING);
        entry.ring.drain(..surplus);
        entry.head.send_if_modified(|known| {
            let newer = head > *known;
            *known = head.max(*known);
            newer
        });
    }

    /// The head of a desk's log as far as this process knows, and its changes.
    pub fn head(&self, desk: &DeskKey) -> watch::Receiver<u64> {
        let mut desks = self.lock();
        desks.entry(desk.clone()).or_insert_with(|| Desk::new(0)).head.subscribe()
    }

    /// Matching rows after `after` that are in memory.
    pub fn recent(&self, desk: &DeskKey, selection: &Selection, after: u64, limit: usize) -> Recent {
        let desks = self.lock();
        let Some(known) = desks.get(desk) else { return Recent::Older };
        let head = *known.head.borrow();
        if after >= head {
            return Recent::Rows { rows: Vec::new(), upto: after };
        }
        let Some(first) = known.ring.front().map(|row| row.seq()) else { return Recent::Older };
        if after + 1 < first {
            return Recent::Older;
        }
        let skip = usize::try_from(after + 1 - first).unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        let mut upto = after;
        for row in known.ring.iter().skip(skip) {
            if rows.len() == limit {
                break;
            }
            upto = row.seq();
            if selection.holds(&row.entry) {
                rows.push(row.clone());
            }
        }
        Recent::Rows { rows, upto }
    }

    /// Whether an entry after `after` is of this ticket, decision or not.
    pub fn touched(&self, desk: &DeskKey, ticket: TicketId, after: u64) -> Touched {
        let desks = self.lock();
        let Some(known) = desks.get(desk) else { return Touched::Unknown };
        if after >= *known.head.borrow() {
            return Touched::No;
        }
        let Some(first) = known.ring.front().map(|row| row.seq()) else { return Touched::Unknown };
        if after + 1 < first {
            return Touched::Unknown;
        }
        let new = known.ring.iter().rev().take_while(|row| row.seq() > after);
        let mut tickets = new.map(|row| row.entry.event.ticket);
        if tickets.any(|touched| touched == Some(ticket)) { Touched::Yes } else { Touched::No }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeskKey, Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn new(head: u64) -> Desk {
        Desk { head: watch::Sender::new(head), ring: VecDeque::new() }
    }
}
