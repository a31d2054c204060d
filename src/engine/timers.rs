//! Deadlines, and what nobody calls for: rows whose time has come, reservations and leases that ran out, connectors that are
//! gone, answers and events past their retention, and what other replicas did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Inner;
use super::doubts::Doubt;
use super::task::Task;
use super::writer::Job;
use crate::availability::{self, Advanced, Availability, Change, PAGE};
use crate::domain::event::SessionEnd;
use crate::domain::id::{AgentId, AgentNo, ConnectorId, DeskKey};
use crate::domain::time::{Span, Time};
use crate::routing::command::Command;
use crate::shutdown::Shutdown;
use crate::store::{DEDUP_DAYS, Due, Store};

/// How often deadlines are looked for, and how many are fired at once.
pub(super) const POLL: Span = Span::from_millis(200);
const DUE_PAGE: u32 = 512;
/// However fast the clock runs, the machine gets a rest between two polls.
const LEAST_REST: Duration = Duration::from_millis(5);
pub(super) const SWEEP: Span = Span::from_millis(250);
pub(super) const PRESENCE: Span = Span::from_secs(1);
/// How often the heads of the logs are read where other processes write too.
pub(super) const LOOKOUT: Span = Span::from_millis(200);
/// A desk's log is read no more often than this because of hints: what comes in between is read at once.
const BETWEEN_HINTS: Duration = Duration::from_millis(20);
const SURVEY: Span = Span::from_secs(1);
/// After one that failed: autovacuum may be at it, or a table be very large.
const BETWEEN_SURVEYS: Span = Span::from_mins(1);
const AFTER_CHECKPOINT_FAILED: Span = Span::from_secs(1);
pub(super) const RETENTION: Span = Span::from_mins(10);
/// Events are kept this long.
const EVENT_DAYS: i64 = 400;
const RETIRED_AT_ONCE: u32 = 1_000;
/// How often acknowledgements are saved, in real time.
const SAVE_ACKS: Duration = Duration::from_millis(250);

impl<S: Store, A: Availability> Inner<S, A> {
    pub(super) async fn rest(&self, span: Span) {
        let least =
            Span::from_millis(i64::try_from(LEAST_REST.as_millis()).unwrap_or(0)) * i64::from(self.clock.rate());
        self.clock.sleep(span.max(least)).await;
    }
}

/// Runs `step` again and again, with a rest in between, until the process stops.
pub(super) async fn every<S, A, F, T>(inner: Arc<Inner<S, A>>, mut shutdown: Shutdown, rest: Span, mut step: F)
where
    S: Store,
    A: Availability,
    F: FnMut(Arc<Inner<S, A>>) -> T,
    T: Future<Output = ()>,
{
    loop {
        tokio::select! {
            biased;
            () = shutdown.wait() => return,
            () = inner.rest(rest) => step(inner.clone()).await,
        }
    }
}

/// Fires every deadline that has passed, unless the store was away until just now.
pub(super) async fn deadlines<S: Store, A: Availability>(inner: Arc<Inner<S, A>>) {
    let due = match inner.store.due_before(inner.clock.now(), DUE_PAGE).await {
        Ok(due) => due,
        Err(error) => return inner.store_failed(&error, "deadlines could not be read"),
    };
    inner.store_answers();
    if inner.outage.is_fresh(inner.clock.now()) {
        return;
    }
    let ticks = due.into_iter().map(|due| match due {
        Due::Ticket(desk, ticket) => Task::Own { desk, command: Command::TickTicket { ticket } },
        Due::Agent(desk, agent) => Task::Own { desk, command: Command::TickAgent { agent } },
    });
    inner.run_own(ticks.collect()).await;
}

/// Lapses reservations and leases, and lifts exclusions that keep a leg from everybody on duty.
pub(super) async fn sweep<S: Store, A: Availability>(inner: Arc<Inner<S, A>>) {
    let now = inner.clock.now();
    let mut tasks = Vec::new();
    match inner.index.expire(PAGE, now).await {
        Ok(matched) => {
            tasks.extend(matched.into_iter().map(|(desk, reservation)| Task::Propose { desk, reservation }));
        }
        Err(error) => tracing::warn!(%error, "reservations were not swept"),
    }
    match inner.index.lost(now).await {
        Ok(lapsed) => {
            for (desk, lapsed) in lapsed {
                inner.suspect(&desk, &lapsed.suspect);
                tasks.extend(inner.end_lost(&desk, lapsed.lost));
            }
        }
        Err(error) => tracing::warn!(%error, "leases were not swept"),
    }
    tasks.extend(inner.liftable(now));
    inner.run_own(tasks).await;
}

/// Finds out where the logs and the views are: other replicas move them too, and the index may lose what it had.
pub(super) async fn lookout<S: Store, A: Availability>(inner: Arc<Inner<S, A>>) {
    let heads = match inner.store.heads().await {
        Ok(heads) => heads,
        Err(error) => return inner.store_failed(&error, "the heads of the logs could not be read"),
    };
    let mut tasks = Vec::new();
    for (desk, head, epoch) in heads {
        match inner.with_desk(&desk, |state| (state.head, state.epoch)) {
            Some((_, known)) if known < epoch => inner.reports.report(&desk, Doubt::View, known),
            Some((known, _)) if known >= head => tasks.extend(inner.look_at_view(&desk).await),
            Some(_) | None => inner.reports.report(&desk, Doubt::Head, epoch),
        }
    }
    inner.run_own(tasks).await;
}

/// Listens to what other replicas say of how far the logs are, until the process stops. The lookout finds the same, later.
pub(super) async fn hints<S: Store, A: Availability>(inner: Arc<Inner<S, A>>, mut shutdown: Shutdown) {
    let mut heard: BTreeMap<DeskKey, u64> = BTreeMap::new();
    let mut next = Duration::ZERO;
    loop {
        let rest = next.saturating_sub(inner.clock.uptime());
        tokio::select! {
            biased;
            () = shutdown.wait() => return,
            () = inner.clock.real_sleep(rest), if !heard.is_empty() => {
                next = inner.clock.uptime() + BETWEEN_HINTS;
                std::mem::take(&mut heard).into_iter().for_each(|(desk, head)| inner.reports.hint(desk, head));
            }
            (desk, head) = inner.index.heard() => {
                // Its own among them.
                if inner.with_desk(&desk, |state| state.head < head) == Some(true) {
                    let known = heard.entry(desk).or_insert(head);
                    *known = head.max(*known);
                }
            }
        }
    }
}

/// Says which connectors are away, and which are back.
pub(super) async fn presence<S: Store, A: Availability>(inner: Arc<Inner<S, A>>) {
    let now = inner.clock.now();
    if let Err(error) = inner.tend_readers(now).await {
        // Nobody is said to be away who may only be out of sight.
        return inner.store_failed(&error, "who reads which decisions could not be settled");
    }
    let moved = inner.moved_connectors(now);
    let tasks = moved
        .into_iter()
        .map(|(desk, connector, away)| Task::Own { desk, command: Command::ConnectorPresence { connector, away } });
    inner.run_own(tasks.collect()).await;
}

/// Has the database keep its picture of what it holds, until the process stops.
pub(super) async fn survey<S: Store, A: Availability>(inner: Arc<Inner<S, A>>, mut shutdown: Shutdown) {
    let mut rest = SURVEY;
    loop {
        let look = async {
            inner.rest(rest).await;
            inner.store.survey().await
        };
        let looked = tokio::select! {
            biased;
            () = shutdown.wait() => return,
            looked = look => looked,
        };
        rest = match looked {
            Ok(()) => SURVEY,
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "tables that have grown were not analysed");
                BETWEEN_SURVEYS
            }
        };
    }
}

/// Keeps the store's log short beside its commits, until the process stops.
pub(super) async fn checkpoints<S: Store, A: Availability>(inner: Arc<Inner<S, A>>, mut shutdown: Shutdown) {
    let mut failed = false;
    loop {
        let next = async {
            if failed {
                inner.rest(AFTER_CHECKPOINT_FAILED).await;
            }
            inner.store.checkpoint().await
        };
        let moved = tokio::select! {
            biased;
            () = shutdown.wait() => return,
            moved = next => moved,
        };
        failed = moved.is_err();
        if let Err(error) = moved {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the store's log was not shortened; a commit will do it"
            );
        }
    }
}

/// Removes what is past its retention, a bounded piece at a time.
pub(super) async fn retention<S: Store, A: Availability>(inner: Arc<Inner<S, A>>) {
    let now = inner.clock.now();
    loop {
        let (answers, events) = (now - Span::from_days(DEDUP_DAYS), now - Span::from_days(EVENT_DAYS));
        match inner.store.retire(answers, events, RETIRED_AT_ONCE).await {
            Ok(removed) if removed < u64::from(RETIRED_AT_ONCE) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "old rows were not removed");
                return;
            }
        }
    }
}

/// Saves acknowledgements until the process stops, and once more then.
pub(super) async fn acknowledgements<S: Store, A: Availability>(inner: Arc<Inner<S, A>>, mut shutdown: Shutdown) {
    loop {
        let stopping = tokio::select! {
            biased;
            () = shutdown.wait() => true,
            () = inner.clock.real_sleep(SAVE_ACKS) => false,
        };
        inner.save_acks().await;
        if stopping {
            return;
        }
    }
}

impl<S: Store, A: Availability> Inner<S, A> {
    /// A view that fell behind memory is the writer's to move on. Answers what a rebuild, perhaps a dead replica's, left to match.
    async fn look_at_view(&self, desk: &DeskKey) -> Vec<Task> {
        let Some((head, epoch)) = self.with_desk(desk, |state| (state.head, state.epoch)) else { return Vec::new() };
        let now = self.clock.now();
        let found = match self.index.advance(desk, epoch, head, head, Change::default(), now).await {
            Ok(Advanced::Behind { .. }) => {
                self.reports.report(desk, Doubt::Head, epoch);
                return Vec::new();
            }
            Ok(Advanced::Passed | Advanced::Applied { .. }) => self.index.rematch(desk, epoch, now).await,
            Err(error) => Err(error),
        };
        match found {
            Ok((reservations, _)) => {
                let propose = |reservation| Task::Propose { desk: desk.clone(), reservation };
                reservations.into_iter().map(propose).collect()
            }
            Err(availability::Error::Away) => Vec::new(),
            Err(availability::Error::WrongEpoch { .. } | availability::Error::RebuildRefused { .. }) => {
                self.reports.report(desk, Doubt::View, epoch);
                Vec::new()
            }
        }
    }

    /// Has the writer decide these, and waits for it, so that the next look does not find the same again.
    async fn run_own(&self, tasks: Vec<Task>) {
        let mut waiting = Vec::with_capacity(tasks.len());
        for task in tasks {
            let (reply, outcome) = oneshot::channel();
            let Some(queue) = self.queue() else { return };
            if queue.send(Job::new(task, Some(reply))).await.is_err() {
                return;
            }
            waiting.push(outcome);
        }
        for outcome in waiting {
            // A stale tick or a refused proposal is no news; the writer logs what is.
            let _decided = outcome.await;
        }
    }

    /// Ends sessions that are lost, a page at a time: the index names them until the log has it, and when very many are lost at once
    /// calls must find room in the queue beside them.
    fn end_lost(&self, desk: &DeskKey, lost: Vec<(AgentNo, u64)>) -> Vec<Task> {
        let known = self.with_desk(desk, |state| {
            let current = |(number, epoch): (AgentNo, u64)| {
                let agent = state.roster.agent(number)?;
                let session = agent.session.as_ref().filter(|session| session.epoch == epoch)?;
                Some((agent.id.clone(), session.epoch))
            };
            lost.into_iter().filter_map(current).take(PAGE).collect::<Vec<_>>()
        });
        let end = |(agent, epoch)| Task::Own {
            desk: desk.clone(),
            command: Command::EndSession { agent, epoch, reason: SessionEnd::Lost },
        };
        known.unwrap_or_default().into_iter().map(end).collect()
    }

    fn suspect(&self, desk: &DeskKey, numbers: &[AgentNo]) {
        let ids: Vec<AgentId> = self
            .with_desk(desk, |state| {
                numbers.iter().filter_map(|number| state.roster.agent(*number)).map(|agent| agent.id.clone()).collect()
            })
            .unwrap_or_default();
        let mut suspects = self.suspects();
        suspects.extend(ids.into_iter().map(|id| (desk.clone(), id)));
    }

    fn liftable(&self, now: Time) -> Vec<Task> {
        let desks = self.read_desks();
        let of_desk = desks.iter().flat_map(|(desk, state)| {
            state.waiters.liftable(now).map(|(leg, leg_ver)| Task::Own {
                desk: desk.clone(),
                command: Command::LiftExclusions { leg, leg_ver },
            })
        });
        of_desk.collect()
    }

    fn moved_connectors(&self, now: Time) -> Vec<(DeskKey, ConnectorId, bool)> {
        let desks = self.read_desks();
        let mut moved = Vec::new();
        for (desk, state) in desks.iter() {
            let limit = state.scope.current_policy().limits.connector_away;
            for row in state.scope.connectors.values() {
                let key = (desk.clone(), row.id.clone());
                if row.deleted {
                    // By another replica, perhaps.
                    self.hub.instances().dismiss(&key);
                    continue;
                }
                let since = self.hub.instances().unattended_since(&key, now);
                let away = since.is_some_and(|since| since + limit <= now);
                if away != row.away {
                    moved.push((desk.clone(), row.id.clone(), away));
                }
            }
        }
        moved
    }
}
