//! Rows as of the last commit, kept in memory between batches: this process alone writes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, DeskKey, TicketId};
use crate::domain::ticket::Ticket;
use crate::routing::workset::Scope;
use crate::store::changes::Changed;

const SCOPES: usize = 4_096;
const AGENTS: usize = 65_536;
/// Those that are worked on: ids rise with time, and the lowest go first.
const TICKETS: usize = 16_384;

/// Filled by the writer alone, inside its transaction; a row is forgotten before the commit that changes it and put back after,
/// so that a commit whose end nobody saw leaves no old one behind.
pub(super) struct Recent<K, V> {
    most: usize,
    rows: Mutex<BTreeMap<K, V>>,
}

impl<K: Ord, V: Clone> Recent<K, V> {
    fn new(most: usize) -> Recent<K, V> {
        Recent { most, rows: Mutex::default() }
    }

    pub fn find(&self, key: &K) -> Option<V> {
        self.lock().get(key).cloned()
    }

    pub fn forget<'k>(&self, keys: impl Iterator<Item = &'k K>)
    where
        K: 'k,
    {
        let mut rows = self.lock();
        for key in keys {
            rows.remove(key);
        }
    }

    pub fn put(&self, found: impl IntoIterator<Item = (K, V)>) {
        let mut rows = self.lock();
        for (key, row) in found {
            rows.insert(key, row);
            if rows.len() > self.most {
                rows.pop_first();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, V>> {
        // Whoever panicked held it for a single insertion or removal: the map is whole.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a batch needs most.
pub(super) struct Cache {
    pub scopes: Recent<DeskKey, Scope>,
    pub agents: Recent<(DeskKey, AgentId), Arc<Agent>>,
    pub tickets: Recent<(DeskKey, TicketId), Arc<Ticket>>,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache { scopes: Recent::new(SCOPES), agents: Recent::new(AGENTS), tickets: Recent::new(TICKETS) }
    }
}

impl Cache {
    pub fn forget(&self, changed: &Changed) {
        self.scopes.forget(changed.scopes.keys());
        self.agents.forget(changed.agents.keys());
        self.tickets.forget(changed.tickets.keys());
    }

    pub fn put(&self, changed: &Changed) {
        self.scopes.put(owned(&changed.scopes));
        self.agents.put(owned(&changed.agents));
        self.tickets.put(owned(&changed.tickets));
    }
}

fn owned<K: Clone, V: Clone>(rows: &BTreeMap<K, V>) -> impl Iterator<Item = (K, V)> {
    rows.iter().map(|(key, row)| (key.clone(), row.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_highest_keys_and_no_more_than_it_may() {
        let recent = Recent::new(2);
        recent.put([(1, 'a'), (3, 'c'), (2, 'b')]);
        assert_eq!((recent.find(&1), recent.find(&2), recent.find(&3)), (None, Some('b'), Some('c')));
        recent.forget([3].iter());
        assert_eq!(recent.find(&3), None);
    }
}
