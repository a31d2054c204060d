//! The rows that a batch of commands works on, in layers: what was loaded, what the batch changed, what one command changes.
//!
//! A layer's own rows are exactly the ones changed in it, so the store knows what to write and a rejected command leaves
//! nothing behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lanes::Limits;
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::desk::Desk;
use crate::domain::id::{AgentId, ConnectorId, DeskKey, QueueId, TicketId};
use crate::domain::ticket::Ticket;
use crate::policy::Policy;

/// Rows over rows: reads fall through to the base, writes stay here.
#[derive(Debug)]
pub struct Layer<'a, K, V> {
    base: Option<&'a Layer<'a, K, V>>,
    own: BTreeMap<K, Arc<V>>,
    /// Keys of rows changed since they were last taken, possibly more than once; `None` where nobody asks.
    noted: Option<Vec<K>>,
}

impl<K, V> Default for Layer<'_, K, V> {
    fn default() -> Self {
        Layer { base: None, own: BTreeMap::new(), noted: None }
    }
}

impl<K: Ord + Clone, V: Clone> Layer<'_, K, V> {
    pub fn get(&self, key: &K) -> Option<&Arc<V>> {
        match (self.own.get(key), self.base) {
            (Some(row), _) => Some(row),
            (None, Some(base)) => base.get(key),
            (None, None) => None,
        }
    }

    /// The row, to be changed in this layer alone.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if let Some(base) = self.base
            && !self.own.contains_key(key)
        {
            self.own.insert(key.clone(), base.get(key)?.clone());
        }
        self.note(key);
        self.own.get_mut(key).map(Arc::make_mut)
    }

    pub fn insert(&mut self, key: K, row: Arc<V>) {
        self.note(&key);
        self.own.insert(key, row);
    }

    fn take_over(&mut self, rows: BTreeMap<K, Arc<V>>) {
        rows.into_iter().for_each(|(key, row)| self.insert(key, row));
    }

    fn note(&mut self, key: &K) {
        if let Some(noted) = self.noted.as_mut().filter(|noted| noted.last() != Some(key)) {
            noted.push(key.clone());
        }
    }

    /// From now on the keys of changed rows are kept, until they are taken.
    pub fn note_changes(&mut self) {
        self.noted.get_or_insert_default().clear();
    }

    /// Takes the keys of the rows changed since this was last asked, each once and in order.
    pub fn take_noted(&mut self) -> impl Iterator<Item = K> {
        let noted = self.noted.get_or_insert_default();
        noted.sort_unstable();
        noted.dedup();
        noted.drain(..)
    }

    /// The rows changed by the command that is being decided, possibly more than once: all those of a layer made for it, or else
    /// those that were noted.
    pub fn changed(&self) -> impl Iterator<Item = &Arc<V>> {
        let own = self.noted.is_none().then(|| self.own.values());
        let noted = self.noted.iter().flatten().filter_map(|key| self.own.get(key));
        own.into_iter().flatten().chain(noted)
    }

    /// Takes out a row that nothing asks for any more; those below stay as they are.
    pub fn forget(&mut self, key: &K) {
        self.own.remove(key);
    }

    /// Every row, this layer's version of it.
    pub fn all(&self) -> BTreeMap<K, Arc<V>> {
        let mut rows = self.base.map_or_else(BTreeMap::new, Layer::all);
        rows.extend(self.own.iter().map(|(key, row)| (key.clone(), row.clone())));
        rows
    }

    /// The rows changed (or, in the lowest layer, loaded) here.
    pub fn own(&self) -> &BTreeMap<K, Arc<V>> {
        &self.own
    }

    pub fn into_own(self) -> BTreeMap<K, Arc<V>> {
        self.own
    }
}

/// What changes rarely and is the same for every command on a desk.
#[derive(Clone, Debug)]
pub struct Scope {
    pub desk: Arc<Desk>,
    pub connectors: Arc<BTreeMap<ConnectorId, Arc<Connector>>>,
    /// Every revision that an open ticket may be pinned to; 0 is built in.
    pub policies: Arc<BTreeMap<u32, Arc<Policy>>>,
    pub limits: Arc<Limits>,
}

impl Scope {
    /// The policy of a revision. Revisions are kept as long as a ticket is pinned to them.
    pub fn policy(&self, revision: u32) -> &Arc<Policy> {
        self.policies.get(&revision).or_else(|| self.policies.get(&0)).expect("the built-in policy is always there")
    }

    pub fn current_policy(&self) -> &Arc<Policy> {
        self.policy(self.desk.policy_rev)
    }
}

/// Conversation keys are unique per connector among open tickets. `None`: free.
pub type Conversations<'a> = Layer<'a, (ConnectorId, Arc<str>), Option<TicketId>>;

/// What a layer changed of the rows below it.
#[derive(Debug)]
pub struct Changed {
    pub scope: Option<Scope>,
    pub agents: BTreeMap<AgentId, Arc<Agent>>,
    pub tickets: BTreeMap<TicketId, Arc<Ticket>>,
    pub conversations: BTreeMap<(ConnectorId, Arc<str>), Arc<Option<TicketId>>>,
    pub waiting: BTreeMap<QueueId, u32>,
}

#[derive(Debug)]
pub struct WorkingSet<'a> {
    pub key: DeskKey,
    /// `None`: no such desk.
    pub scope: Option<Scope>,
    pub agents: Layer<'a, AgentId, Agent>,
    pub tickets: Layer<'a, TicketId, Ticket>,
    pub conversations: Conversations<'a>,
    /// Legs waiting in those queues that have an upper bound; the others are not counted.
    pub waiting: BTreeMap<QueueId, u32>,
}

impl<'a> WorkingSet<'a> {
    pub fn empty(key: DeskKey) -> WorkingSet<'a> {
        WorkingSet {
            key,
            scope: None,
            agents: Layer::default(),
            tickets: Layer::default(),
            conversations: Layer::default(),
            waiting: BTreeMap::new(),
        }
    }

    pub fn all_tickets(&self) -> Vec<Arc<Ticket>> {
        self.tickets.all().into_values().collect()
    }

    /// What this layer changed.
    pub fn into_changed(self) -> Changed {
        Changed {
            scope: self.scope,
            agents: self.agents.own,
            tickets: self.tickets.own,
            conversations: self.conversations.own,
            waiting: self.waiting,
        }
    }

    /// Takes over what a layer on top of this one changed.
    pub fn absorb(&mut self, changed: Changed) {
        self.scope = changed.scope;
        self.agents.take_over(changed.agents);
        self.tickets.take_over(changed.tickets);
        self.conversations.take_over(changed.conversations);
        self.waiting = changed.waiting;
    }

    /// A layer on top, which reads through to this one and keeps its changes to itself.
    pub fn layer(&'a self) -> WorkingSet<'a> {
        WorkingSet {
            key: self.key.clone(),
            scope: self.scope.clone(),
            agents: Layer { base: Some(&self.agents), own: BTreeMap::new(), noted: None },
            tickets: Layer { base: Some(&self.tickets), own: BTreeMap::new(), noted: None },
            conversations: Layer { base: Some(&self.conversations), own: BTreeMap::new(), noted: None },
            waiting: self.waiting.clone(),
        }
    }
}
