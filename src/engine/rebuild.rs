//! Bringing a desk into memory, and building its availability view from nothing: for a new desk, at a start of the embedded
//! index, and when the index lost its view.
//!
//! The writer begins a view, for it alone changes memory; the rows are then loaded in a task of its own (`loads`), for they may be
//! many, and everybody's calls go on meanwhile. What is committed by then lies after the cursor that the view was begun with.

use std::sync::Arc;
use std::time::Duration;

use super::Inner;
use super::call::Failure;
use super::desk::DeskState;
use super::doubts::Doubt;
use super::loads::Loaded;
use super::writer::Writer;
use crate::availability::{self, Availability, Change, PAGE};
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, DeskKey, LegId, TicketId};
use crate::domain::ticket::Ticket;
use crate::domain::time::{Span, Time};
use crate::store::{Page, Store};

pub(super) const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// How long nobody else begins to rebuild a view after whoever does has said so last. It is said again while that goes on; whoever
/// dies over it, or cannot say any more that it is over, leaves it to the others after this time.
const LOADER_LEASE: Span = Span::from_secs(10);
const HELD_AGAIN_AFTER: Span = Span::from_secs(2);
const ROWS: u32 = 1_000;

/// A view of a new epoch that nobody uses yet, and what it is filled with first.
pub(super) struct Begun {
    pub epoch: u64,
    token: u128,
    at: Time,
    /// Where memory stood, and what it knew beside the legs.
    cursor: u64,
    ground: Change,
}

impl<S: Store, A: Availability> Inner<S, A> {
    /// Reads a desk into memory. `None`: there is no such desk; else what waits in it.
    pub(super) async fn read_desk(&self, desk: &DeskKey) -> Result<Option<Vec<LegId>>, Failure> {
        let store = |error| Failure::of_store(&error);
        // The head first: what the rows say is then as old as it, or newer, and what is newer is read again.
        let Some((head, epoch)) = self.store.head(desk).await.map_err(store)? else { return Ok(None) };
        let Some(scope) = self.store.scope(desk).await.map_err(store)? else { return Ok(None) };
        let now = self.clock.now();
        let mut state = DeskState::new(scope, head, epoch);
        state.load(self.every_agent(desk).await?);
        let mut waiting = Vec::new();
        let mut after = None;
        loop {
            let tickets = self.open_tickets(desk, after).await?;
            let Some(last) = tickets.last() else { break };
            after = Some(last.id);
            waiting.extend(state.load_page(tickets, now));
        }
        self.desks_mut().insert(desk.clone(), state);
        self.hub.publish(desk, [], head);
        Ok(Some(waiting))
    }

    /// Takes the next epoch for a view that is to be built. Errs when somebody else is at it.
    async fn take_epoch(&self, desk: &DeskKey, known: u64) -> Result<u64, Failure> {
        let now = self.clock.now();
        let (free_at, until) =
            if self.store.is_shared() { (now, now + LOADER_LEASE) } else { (Time(i64::MAX), Time(0)) };
        let epoch = self.store.next_epoch(desk, known, free_at, until).await;
        epoch.map_err(|error| Failure::of_store(&error))?.ok_or_else(|| {
            tracing::info!(desk = %desk.desk, known, "another replica builds the availability view");
            Failure::StoreAway { retry_after: BETWEEN_TRIES }
        })
    }

    /// Fills a view that was begun, out of what memory was then and the open tickets of now. Nothing is matched in it before it is
    /// where the log is when all of it is there.
    pub(super) async fn fill(&self, desk: &DeskKey, begun: Begun) -> Result<(), Failure> {
        let epoch = begun.epoch;
        let filled = self.load_pages(desk, begun).await;
        if filled.is_err() {
            // Else everybody waits until the lease is over.
            self.hold_rebuild(desk, epoch, Time(0)).await;
        }
        filled
    }

    async fn load_pages(&self, desk: &DeskKey, begun: Begun) -> Result<(), Failure> {
        let Begun { epoch, token, at, cursor, ground } = begun;
        let mut pages = 0;
        for change in split(ground) {
            self.index.load(desk, token, pages, change, at).await.map_err(index)?;
            pages += 1;
        }
        let mut held_at = at;
        let mut tickets = self.open_tickets(desk, None).await?;
        while let Some(last) = tickets.last().map(|ticket| ticket.id) {
            let moment = self.clock.now();
            if self.store.is_shared() && moment - held_at >= HELD_AGAIN_AFTER {
                held_at = moment;
                self.hold_rebuild(desk, epoch, moment + LOADER_LEASE).await;
            }
            // A desk that is being read anew has no numbers for its agents: legs would be left out.
            let Some(change) = self.with_desk(desk, |state| state.views(&tickets)) else {
                return Err(Failure::StoreAway { retry_after: BETWEEN_TRIES });
            };
            // The store reads the next page while the index takes this one.
            let loading = async { self.index.load(desk, token, pages, change, at).await.map_err(index) };
            ((), tickets) = tokio::try_join!(loading, self.open_tickets(desk, Some(last)))?;
            pages += 1;
        }
        let head = self.store.head(desk).await.map_err(|error| Failure::of_store(&error))?;
        let head = head.map_or(cursor, |(head, _)| head);
        self.index.flip(desk, token, pages, cursor, head).await.map_err(index)
    }

    pub(super) async fn hold_rebuild(&self, desk: &DeskKey, epoch: u64, until: Time) {
        if let Err(error) = self.store.hold_rebuild(desk, epoch, until).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "how long a rebuild goes on could not be said");
        }
    }

    pub(super) async fn open_tickets(
        &self,
        desk: &DeskKey,
        after: Option<TicketId>,
    ) -> Result<Vec<Arc<Ticket>>, Failure> {
        let page = Page { after, limit: PAGE as u32 };
        self.store.open_tickets(desk, page).await.map_err(|error| Failure::of_store(&error))
    }

    pub(super) async fn every_agent(&self, desk: &DeskKey) -> Result<Vec<Arc<Agent>>, Failure> {
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

impl<S: Store, A: Availability> Writer<S, A> {
    /// Brings every desk into memory, and sees that the index has them.
    ///
    /// # Errors
    /// When the store cannot be read. An index that does not answer is waited for while calls go on.
    pub async fn load(&mut self) -> Result<(), Failure> {
        let desks = self.inner.store.all_desks().await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the desks could not be loaded");
            Failure::of_store(&error)
        })?;
        for desk in desks {
            let waiting = self.inner.read_desk(&desk).await?;
            self.come_in(&desk, waiting.unwrap_or_default()).await;
        }
        Ok(())
    }

    /// A desk came into memory, with the legs that wait there.
    async fn come_in(&mut self, desk: &DeskKey, waiting: Vec<LegId>) {
        self.coming_in = Some(desk.clone());
        Box::pin(self.catch_up(desk)).await;
        self.look_into_lost_view(desk).await;
        self.coming_in = None;
        self.news.add(desk, waiting);
    }

    /// Brings a desk into memory that is new, or that has to be read anew.
    pub(super) async fn bring_in(&mut self, desk: &DeskKey) {
        match self.inner.read_desk(desk).await {
            Ok(Some(waiting)) => self.come_in(desk, waiting).await,
            Ok(None) => self.doubts.dispel(desk, Doubt::Head),
            Err(failure) => {
                tracing::error!(desk = %desk.desk, %failure, "the desk could not be read");
                self.doubts.raise(desk.clone(), Doubt::Head);
            }
        }
    }

    /// At once, and not when doubts are looked into next. A desk that comes into memory has its view before anybody is told of it
    /// (or a doubt is left); others wait no longer than they did for its rows.
    async fn look_into_lost_view(&mut self, desk: &DeskKey) {
        if self.doubts.of(desk) == Some(Doubt::View) {
            self.rebuild(desk).await;
            while self.loads.is_under_way(desk) {
                self.loads.ended().await;
                self.take_loaded().await;
            }
        }
    }

    /// Finds the view that another replica has built meanwhile, be it of the epoch that is known (which was not there before it was
    /// built) or of a later one; else begins to build it anew. Until it is there the doubt stays: calls go on, and what is created
    /// meanwhile waits.
    pub(super) async fn rebuild(&mut self, desk: &DeskKey) {
        if self.loads.is_under_way(desk) {
            return;
        }
        let head = self.inner.store.head(desk).await;
        let known = self.inner.with_desk(desk, |state| state.epoch);
        let (Ok(Some((_, epoch))), Some(known)) = (head, known) else {
            return self.doubts.raise(desk.clone(), Doubt::View);
        };
        if epoch > known {
            self.inner.with_desk_mut(desk, |state| state.epoch = epoch);
        }
        self.doubts.dispel(desk, Doubt::View);
        Box::pin(self.catch_up(desk)).await;
        if self.doubts.of(desk) != Some(Doubt::View) || self.loads.are_enough() {
            return;
        }
        match self.begin_view(desk, epoch).await {
            Ok(begun) => self.loads.start(self.inner.clone(), desk.clone(), begun),
            Err(failure) => self.not_built(desk, &failure),
        }
    }

    /// Builds a view anew in the place of one that answers, and is wrong.
    pub(super) async fn replace(&mut self, desk: &DeskKey) {
        let Some(known) = self.inner.with_desk(desk, |state| state.epoch) else {
            return self.doubts.dispel(desk, Doubt::Drift);
        };
        let under_way = self.loads.is_under_way(desk);
        if !under_way && self.loads.are_enough() {
            return;
        }
        // While it is built, and where another replica has begun to, there is none.
        self.doubts.dispel(desk, Doubt::Drift);
        self.doubts.raise(desk.clone(), Doubt::View);
        if under_way {
            return;
        }
        match self.begin_view(desk, known).await {
            Ok(begun) => self.loads.start(self.inner.clone(), desk.clone(), begun),
            Err(failure) => self.not_built(desk, &failure),
        }
    }

    /// Begins a view of a new epoch. It stands where memory stands at this moment.
    async fn begin_view(&mut self, desk: &DeskKey, known: u64) -> Result<Begun, Failure> {
        let (token, at) = (self.inner.entropy.uuid().as_u128(), self.inner.clock.now());
        let epoch = self.inner.take_epoch(desk, known).await?;
        let begun = self.inner.index.begin(desk, epoch, token, at).await.map_err(index);
        if let Err(failure) = begun {
            self.inner.hold_rebuild(desk, epoch, Time(0)).await;
            return Err(failure);
        }
        let ground = self.inner.with_desk_mut(desk, |state| {
            state.epoch = epoch;
            (state.head, state.ground())
        });
        let (cursor, ground) = ground.ok_or(Failure::Internal)?;
        Ok(Begun { epoch, token, at, cursor, ground })
    }

    /// Goes on with views that were built beside the writer.
    pub(super) async fn take_loaded(&mut self) {
        while let Some(Loaded { desk, epoch, outcome }) = self.loads.take() {
            match outcome {
                Ok(()) => {
                    tracing::info!(desk = %desk.desk, epoch, "the availability view was built");
                    self.doubts.dispel(&desk, Doubt::View);
                    Box::pin(self.catch_up(&desk)).await;
                    self.inner.hold_rebuild(&desk, epoch, Time(0)).await;
                }
                Err(failure) => self.not_built(&desk, &failure),
            }
        }
    }

    fn not_built(&mut self, desk: &DeskKey, failure: &Failure) {
        tracing::warn!(desk = %desk.desk, %failure, "the availability view was not built; it is tried again");
        self.doubts.raise(desk.clone(), Doubt::View);
    }
}

/// A view's ground in pages of a bounded size: who serves what before who is there.
fn split(ground: Change) -> Vec<Change> {
    let Change { serves, agents, connectors, .. } = ground;
    let serves = serves.chunks(PAGE).map(|serves| Change { serves: serves.to_vec(), ..Change::default() });
    let agents = agents.chunks(PAGE).map(|agents| Change { agents: agents.to_vec(), ..Change::default() });
    let connectors = connectors.chunks(PAGE).map(|away| Change { connectors: away.to_vec(), ..Change::default() });
    serves.chain(connectors).chain(agents).collect()
}

fn index(error: availability::Error) -> Failure {
    tracing::warn!(%error, "the availability index refused a rebuild");
    Failure::StoreAway { retry_after: BETWEEN_TRIES }
}
