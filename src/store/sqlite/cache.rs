//! Rows as of the last commit, kept in memory between batches: this process alone writes them.
//!
//! Filled by the writer alone, inside its transaction; a row is forgotten before the commit that changes it and put back after,
//! so that a commit whose end nobody saw leaves no old one behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, DeskKey, TicketId};
use crate::domain::ticket::Ticket;
use crate::routing::workset::Scope;
use crate::store::changes::Changed;
use crate::store::recent::Recent;

const SCOPES: usize = 4_096;
const AGENTS: usize = 65_536;
/// Those that are worked on: ids rise with time, and the lowest go first.
const TICKETS: usize = 16_384;

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
