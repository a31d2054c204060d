//! A desk's log read from its beginning: the agents, lanes and connectors as they were after each entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use handoff::domain::agent::Agent;
use handoff::domain::connector::Connector;
use handoff::domain::desk::Lanes;
use handoff::domain::event::Entry;
use handoff::domain::id::{AgentId, ConnectorId, DeskKey};
use handoff::domain::ticket::Ticket;
use handoff::domain::time::Time;
use handoff::routing::evolve::evolve;
use handoff::routing::workset::WorkingSet;
use handoff::store::Store;

/// The desk after an entry of its log.
pub struct Moment {
    /// When that entry was made. What is decided in one transaction has one time.
    at: Time,
    pub agents: BTreeMap<AgentId, Arc<Agent>>,
    pub lanes: Arc<Lanes>,
    pub connectors: Arc<BTreeMap<ConnectorId, Arc<Connector>>>,
}

pub struct Past {
    key: DeskKey,
    log: Vec<Arc<Entry>>,
}

impl Past {
    pub async fn read(store: &impl Store, key: DeskKey) -> Past {
        let mut log: Vec<Arc<Entry>> = Vec::new();
        loop {
            let after = log.last().map_or(0, |entry| entry.seq);
            let page = store.events_after(&key, after, 1_000).await.expect("the log is read");
            if page.is_empty() {
                return Past { key, log };
            }
            log.extend(page);
        }
    }

    /// Shows each entry, the row of its ticket before it, and all moments before it; the moment after entry n is the n-th.
    pub fn walk(&self, mut look: impl FnMut(Option<&Ticket>, &[Moment], &Entry)) {
        let mut rows = WorkingSet::empty(self.key.clone());
        let mut moments = vec![moment(&rows, Time::default())];
        for (entry, seq) in self.log.iter().zip(1..) {
            assert_eq!(entry.seq, seq, "the log is dense");
            let ticket = entry.event.ticket.and_then(|id| rows.tickets.get(&id)).cloned();
            look(ticket.as_deref(), &moments, entry);
            evolve(&mut rows, &entry.event);
            moments.push(moment(&rows, entry.event.at));
        }
    }
}

fn moment(rows: &WorkingSet<'_>, at: Time) -> Moment {
    let scope = rows.scope.as_ref();
    Moment {
        at,
        agents: rows.agents.all(),
        lanes: scope.map(|scope| scope.desk.lanes.clone()).unwrap_or_default(),
        connectors: scope.map(|scope| scope.connectors.clone()).unwrap_or_default(),
    }
}

/// The desk as it was when the transaction that wrote the entry began.
pub fn before_its_batch<'a>(moments: &'a [Moment], entry: &Entry) -> &'a Moment {
    let before = moments.iter().rev().find(|moment| moment.at < entry.event.at);
    before.expect("a log begins with a desk")
}
