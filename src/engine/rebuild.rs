//! Building the availability view of a desk from the log's rows: at a start, for a new desk, and when the index lost it.

use std::sync::Arc;
use std::time::Duration;

use super::Inner;
use super::call::Failure;
use super::desk::{DeskState, Followed};
use crate::availability::{self, Availability, Change, PAGE, Reservation};
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, DeskKey, LegId, TicketId};
use crate::store::{Page, Store};

/// A refused rebuild begins again with a new epoch, this often.
const TRIES: u32 = 50;
pub(super) const BETWEEN_TRIES: Duration = Duration::from_millis(200);
const ROWS: u32 = 1_000;

/// What a rebuilt view brings.
#[derive(Debug, Default)]
pub(super) struct Rebuilt {
    pub reservations: Vec<Reservation>,
    pub to_diagnose: Vec<LegId>,
}

impl<S: Store, A: Availability> Inner<S, A> {
    /// Rebuilds until it is done: at the start nothing else can be done before.
    pub(super) async fn rebuild(&self, desk: &DeskKey) -> Result<Rebuilt, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.rebuild_once(desk).await {
                Ok(rebuilt) => return Ok(rebuilt),
                Err(failure) if tries == TRIES => return Err(failure),
                Err(failure) => {
                    tracing::warn!(desk = %desk.desk, %failure, tries, "rebuilding the availability view again");
                    self.clock.real_sleep(BETWEEN_TRIES).await;
                }
            }
        }
    }

    /// Builds a desk's memory and its view from what is stored. Called by the writer alone, so nothing is committed meanwhile.
    pub(super) async fn rebuild_once(&self, desk: &DeskKey) -> Result<Rebuilt, Failure> {
        let store = |error| Failure::of_store(&error);
        let Some(scope) = self.store.scope(desk).await.map_err(store)? else { return Ok(Rebuilt::default()) };
        let epoch = self.store.next_epoch(desk).await.map_err(store)?;
        let token = self.entropy.uuid().as_u128();
        let now = self.clock.now();
        self.index.begin(desk, epoch, token, now).await.map_err(index)?;
        let (head, _) = self.store.head(desk).await.map_err(store)?.unwrap_or((0, 0));
        let agents = self.every_agent(desk).await?;
        let first = {
            let mut desks = self.desks_mut();
            let state = desks.entry(desk.clone()).or_insert_with(|| DeskState::new(scope.clone(), head, epoch));
            state.scope = scope;
            state.head = head;
            state.epoch = epoch;
            state.load(agents)
        };
        let mut pages = 0;
        for change in split(first) {
            self.index.load(desk, token, pages, change, now).await.map_err(index)?;
            pages += 1;
        }
        let mut rebuilt = Rebuilt::default();
        let mut after: Option<TicketId> = None;
        loop {
            let page = Page { after, limit: PAGE as u32 };
            let tickets = self.store.open_tickets(desk, page).await.map_err(store)?;
            let Some(last) = tickets.last() else { break };
            after = Some(last.id);
            let Followed { change, to_diagnose, .. } =
                self.with_desk_mut(desk, |state| state.load_page(&tickets, now)).unwrap_or_default();
            rebuilt.to_diagnose.extend(to_diagnose);
            self.index.load(desk, token, pages, change, now).await.map_err(index)?;
            pages += 1;
        }
        self.index.flip(desk, token, pages, head, head).await.map_err(index)?;
        loop {
            let (reservations, done) = self.index.rematch(desk, epoch, now).await.map_err(index)?;
            rebuilt.reservations.extend(reservations);
            if done {
                break;
            }
        }
        self.hub.publish(desk, [], head);
        Ok(rebuilt)
    }

    async fn every_agent(&self, desk: &DeskKey) -> Result<Vec<Arc<Agent>>, Failure> {
        let mut agents: Vec<Arc<Agent>> = Vec::new();
        loop {
            let after: Option<AgentId> = agents.last().map(|agent| agent.id.clone());
            let page = Page { after, limit: ROWS };
            let more = self.store.list_agents(desk, true, page).await.map_err(|error| Failure::of_store(&error))?;
            let last = more.len() < ROWS as usize;
            agents.extend(more);
            if last {
                return Ok(agents);
            }
        }
    }
}

/// The first page of a view in pages of a bounded size: who serves what before who is there.
fn split(mut change: Change) -> Vec<Change> {
    let mut pages = Vec::new();
    while change.serves.len() > PAGE {
        let rest = change.serves.split_off(PAGE);
        let serves = std::mem::replace(&mut change.serves, rest);
        pages.push(Change { serves, ..Change::default() });
    }
    while change.agents.len() > PAGE {
        let agents = change.agents.split_off(change.agents.len() - PAGE);
        pages.push(Change { agents, ..Change::default() });
    }
    pages.push(change);
    // The last remainder holds what is left of the tables and the connectors: agents must not come before their tables.
    pages.sort_by_key(|page| page.serves.is_empty());
    pages
}

fn index(error: availability::Error) -> Failure {
    tracing::warn!(%error, "the availability index refused a rebuild");
    Failure::StoreAway { retry_after: BETWEEN_TRIES }
}
