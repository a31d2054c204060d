//! Reading a desk's log.

use std::sync::Arc;

use handoff::domain::event::{Body, Entry};
use handoff::domain::log::{LogRow, Selection};
use handoff::domain::time::Time;

use super::Kept;

impl Kept {
    /// The entries after a number.
    pub fn since(&self, after: u64) -> &[Arc<Entry>] {
        let from = self.log.partition_point(|entry| entry.seq <= after);
        &self.log[from..]
    }

    fn decisions<'a>(&'a self, selection: &'a Selection, after: u64) -> impl Iterator<Item = &'a Arc<Entry>> {
        self.since(after).iter().filter(move |entry| selection.holds(entry))
    }

    pub fn log_after(&self, selection: &Selection, after: u64, limit: u32) -> (Vec<LogRow>, u64) {
        let row = |entry: &Arc<Entry>| {
            let ticket = entry.event.ticket.and_then(|id| self.rows.tickets.get(&id));
            let (ticket_name, content) = ticket.map(|row| (row.name.clone(), row.content.clone())).unzip();
            LogRow { entry: entry.clone(), ticket_name, content }
        };
        (self.decisions(selection, after).take(limit as usize).map(row).collect(), self.head)
    }

    pub fn pending(&self, selection: &Selection, after: u64, most: u32) -> (u32, Option<Time>) {
        let count = self.decisions(selection, after).take(most as usize).count();
        let oldest = self.decisions(selection, after).next().map(|entry| entry.event.at);
        (u32::try_from(count).unwrap_or(u32::MAX), oldest)
    }

    pub fn last_matching(&self, selection: &Selection, upto: u64) -> u64 {
        let mut backwards = self.log.iter().rev().filter(|entry| entry.seq <= upto);
        backwards.find(|entry| selection.holds(entry)).map_or(0, |entry| entry.seq)
    }

    /// Halves the log, as a store does that has an index by number alone.
    pub fn first_seq(&self, since: Time) -> u64 {
        let at = self.log.partition_point(|entry| entry.event.at < since);
        self.log.get(at).map_or(self.head + 1, |entry| entry.seq)
    }
}

/// The entry as it is logged: without what somebody wrote or dialled.
pub fn without_text(entry: &Arc<Entry>) -> Arc<Entry> {
    let mut logged = entry.as_ref().clone();
    match &mut logged.event.body {
        Body::Created { content, .. }
        | Body::WrapUpFinished { content, .. }
        | Body::Updated { content, .. }
        | Body::Escalated { content, .. }
        | Body::TransferStarted { content, .. }
        | Body::Resolved { content, .. }
            if content.is_some() =>
        {
            *content = None;
            Arc::new(logged)
        }
        _ => entry.clone(),
    }
}
