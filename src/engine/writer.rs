//! The writer: decides jobs in transactions, moves the view over each, and answers.
//!
//! One task owns the desks in memory. What the index proposes in return goes into the next batch. `turns` says which jobs that
//! is, and when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Inner;
use super::batch::{self, Decided, MAX_INTERNS, Outcome, Verdict};
use super::call::Failure;
use super::desk::{DeskChange, DeskState, Followed, Moved};
use super::doubts::{Doubt, Doubts};
use super::loads::Loads;
use super::news::News;
use super::tables::Wanted;
use super::tailer::Told;
use super::task::Task;
use super::turns::UnderWay;
use crate::availability::{self, Advanced, Ask, Availability, Reservation};
use crate::domain::event::Entry;
use crate::domain::id::{DeskKey, LegId, TicketId};
use crate::domain::log::LogRow;
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::command::{Command, Roots};
use crate::store::{self, Committed, Request, Store};

/// Calls that wait for the writer. The class decides how far up it may fill: work that ends something always finds room.
pub(super) const QUEUE: usize = 8_192;
/// How often a job is decided anew because others had its rows.
const MAX_TRIES: u8 = 3;
/// What an overloaded or cut-off caller is told to wait.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(200);

/// A task, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub task: Task,
    pub reply: Option<oneshot::Sender<Result<Outcome, Failure>>>,
    interns: u8,
    tries: u8,
}

impl Job {
    pub fn new(task: Task, reply: Option<oneshot::Sender<Result<Outcome, Failure>>>) -> Job {
        Job { task, reply, interns: 0, tries: 0 }
    }

    pub fn own(desk: &DeskKey, command: Command) -> Job {
        Job::new(Task::Own { desk: desk.clone(), command }, None)
    }

    pub fn answer(self, outcome: Result<Outcome, Failure>) {
        if let Some(reply) = self.reply {
            // A caller who has left does not read the answer; what was decided stands.
            let _left = reply.send(outcome);
        }
    }
}

/// What the index is told after a batch.
pub(super) struct Onward {
    steps: Vec<Step>,
    /// Reservations that came to nothing.
    refused: Vec<(DeskKey, LegId, u32)>,
}

/// Over which part of a desk's log it is moved, and by what.
struct Step {
    desk: DeskKey,
    from: u64,
    to: u64,
    followed: Followed,
    now: Time,
}

pub(super) struct Writer<S, A> {
    pub inner: Arc<Inner<S, A>>,
    pub queue: mpsc::Receiver<Job>,
    /// What follows from the batches before: first in line.
    pub own: VecDeque<Job>,
    /// The next batch, as far as it is known.
    pub jobs: Vec<Job>,
    pub under_way: Option<UnderWay>,
    /// What has to be interned when nothing is under way.
    pub wanted: BTreeMap<DeskKey, Wanted>,
    pub doubts: Doubts,
    /// A desk that is being brought into memory: it may have no view yet, or none any more.
    pub coming_in: Option<DeskKey>,
    pub news: News,
    /// Views that are being built.
    pub loads: Loads,
    pub retired_at: Time,
}

impl<S: Store, A: Availability> Writer<S, A> {
    pub fn new(inner: Arc<Inner<S, A>>, queue: mpsc::Receiver<Job>) -> Writer<S, A> {
        Writer {
            queue,
            own: VecDeque::new(),
            jobs: Vec::new(),
            under_way: None,
            wanted: BTreeMap::new(),
            doubts: Doubts::default(),
            coming_in: None,
            news: News::default(),
            loads: Loads::default(),
            retired_at: inner.clock.now(),
            inner,
        }
    }

    /// One batch on its own: nothing else is under way.
    pub(super) async fn commit(&mut self, tasks: Vec<Task>) -> Result<Vec<Verdict>, Failure> {
        let desks = tasks.iter().map(|task| task.desk().clone()).collect();
        match self.transaction(tasks, None).await {
            Ok(committed) => {
                let (verdicts, onward) = self.remember(committed).await;
                self.follow(onward).await;
                Ok(verdicts)
            }
            Err(error) => Err(self.not_committed(&error, desks)),
        }
    }

    /// What callers are told of a batch that failed. Or it was committed and nobody heard of it: its desks are in doubt.
    pub(super) fn not_committed(&mut self, error: &store::Error, desks: BTreeSet<DeskKey>) -> Failure {
        self.inner.store_failed(error, "a batch was not committed");
        desks.into_iter().for_each(|desk| self.doubts.raise(desk, Doubt::Head));
        Failure::of_store(error)
    }

    /// Decides and commits; says when it has decided.
    pub(super) fn transaction(
        &self,
        tasks: Vec<Task>,
        decided: Option<oneshot::Sender<()>>,
    ) -> impl Future<Output = Result<Committed<Decided>, store::Error>> + Send + use<S, A> {
        let requests: Vec<Request> = tasks.iter().map(|task| self.request(task)).collect();
        let inner = self.inner.clone();
        async move {
            let desks = inner.clone();
            let work = inner.store.transact(requests, move |loaded| {
                let work = batch::run(loaded, &tasks, &desks.read_desks(), desks.decide);
                if let Some(decided) = decided {
                    // Nobody waits for it any more when the writer is gone.
                    let _gone = decided.send(());
                }
                work
            });
            work.await
        }
    }

    /// Holds agents for the tickets that are about to be created.
    pub(super) async fn reserve(&self, jobs: &mut [Job]) {
        let now = self.inner.clock.now();
        let mut asks: BTreeMap<DeskKey, Vec<(usize, Ask)>> = BTreeMap::new();
        for (at, job) in jobs.iter().enumerate() {
            if let Task::Call { call, .. } = &job.task
                && let Command::CreateTicket(new) = &call.command
                && !call.validate_only
                && let Some(ask) = self.inner.ask(&call.desk, new, now)
            {
                asks.entry(call.desk.clone()).or_default().push((at, ask));
            }
        }
        for (desk, asks) in asks {
            let Some((epoch, head)) = self.inner.with_desk(&desk, |state| (state.epoch, state.head)) else { continue };
            let (places, asks): (Vec<usize>, Vec<Ask>) = asks.into_iter().unzip();
            match self.inner.index.reserve(&desk, epoch, head, asks, now).await {
                Ok(reserved) => {
                    for (at, reservation) in places.into_iter().zip(reserved) {
                        if let Task::Call { held, .. } = &mut jobs[at].task {
                            *held = reservation;
                        }
                    }
                }
                // Only an optimisation is lost: the tickets are created waiting, and matched by the advance.
                Err(error) => tracing::debug!(desk = %desk.desk, %error, "no agents could be held"),
            }
        }
    }

    fn request(&self, task: &Task) -> Request {
        let desk = task.desk().clone();
        match task {
            Task::Call { call, held } => {
                let mut roots = call.command.roots();
                if matches!(call.command, Command::CreateTicket(_)) {
                    roots.queues = self.inner.with_desk(&desk, DeskState::bounded_queues).unwrap_or_default();
                }
                roots.agents.extend(held.iter().flat_map(|held| self.inner.agents_of(&desk, held)));
                Request { desk, roots, dedup: call.dedup.as_ref().map(|dedup| dedup.key.clone()) }
            }
            Task::Own { command, .. } => Request { desk, roots: command.roots(), dedup: None },
            Task::Propose { reservation, .. } => {
                let agents = self.inner.agents_of(&desk, reservation);
                let roots = Roots { tickets: vec![reservation.leg.ticket], agents, ..Roots::default() };
                Request { desk, roots, dedup: None }
            }
        }
    }

    /// The batch is durable: memory follows, and the streams are told. The index is still to follow.
    pub(super) async fn remember(&mut self, committed: Committed<Decided>) -> (Vec<Verdict>, Onward) {
        let Committed { value: decided, entries, desks, now } = committed;
        let Decided { verdicts, mut changes, refused } = decided;
        let appended: BTreeMap<DeskKey, u64> =
            entries.iter().map(|(desk, entries)| (desk.clone(), entries.len() as u64)).collect();
        let rows = log_rows(&changes, entries);
        let mut steps = Vec::new();
        for (desk, scope, head) in desks {
            let changed = changes.remove(&desk).unwrap_or_default();
            let before = head - appended.get(&desk).copied().unwrap_or(0);
            match self.inner.with_desk(&desk, |state| state.head) {
                Some(known) if known == before => {
                    let followed = self.inner.with_desk_mut(&desk, |state| state.follow(changed, scope, head, now));
                    steps.extend(followed.map(|followed| Step { desk, from: known, to: head, followed, now }));
                }
                // Somebody else's commit lies in between, or one of whose outcome nobody heard.
                Some(known) if known < head => {
                    self.catch_up(&desk).await;
                    // What follows from it is this replica's to say all the same.
                    let open = |moved: &Moved| Some((moved.after.id, moved.after.pending_leg()?.n));
                    let legs = changed.tickets.iter().filter_map(open);
                    self.news.add(&desk, legs.map(|(ticket, leg)| LegId { ticket, leg }));
                    if changed.duty || !changed.connectors.is_empty() {
                        self.news.hasten(&desk);
                    }
                }
                // It was read in the log already.
                Some(_) => {}
                None if scope.is_some() => self.bring_in(&desk).await,
                None => {}
            }
        }
        for (desk, rows, head) in rows {
            self.inner.hub.publish(&desk, rows, head);
        }
        (verdicts, Onward { steps, refused })
    }

    /// The index follows; what it makes of that goes into the next batch.
    pub(super) async fn follow(&mut self, onward: Onward) {
        for step in onward.steps {
            self.advance(step).await;
        }
        self.free(onward.refused).await;
    }

    async fn advance(&mut self, Step { desk, from, to, followed, now }: Step) {
        let Some(epoch) = self.inner.with_desk(&desk, |state| state.epoch) else { return };
        // What is in doubt is looked into in its time, and the view then moved over all that it missed.
        if to > from && self.doubts.of(&desk).is_none() {
            match self.inner.index.advance(&desk, epoch, from, to, followed.change, now).await {
                Ok(Advanced::Applied { reservations, .. }) => self.propose(&desk, reservations),
                Ok(Advanced::Passed) => {}
                Ok(Advanced::Behind { cursor }) => self.tail(&desk, cursor, Told::Both).await,
                Err(error) => self.doubt(&desk, &error),
            }
        }
        self.diagnose(&desk, followed.moved);
        self.news.add(&desk, followed.touched);
        if followed.relane {
            self.relane(&desk).await;
        }
    }

    /// The index did not do as it was told.
    pub(super) fn doubt(&mut self, desk: &DeskKey, error: &availability::Error) {
        let doubt = match error {
            availability::Error::WrongEpoch { .. } | availability::Error::RebuildRefused { .. } => Doubt::View,
            availability::Error::Away => Doubt::Head,
        };
        if doubt == Doubt::View && self.coming_in.as_ref() == Some(desk) {
            tracing::debug!(desk = %desk.desk, %error, "there is no availability view yet");
        } else {
            tracing::warn!(desk = %desk.desk, %error, "the availability view was not moved on");
        }
        self.doubts.raise(desk.clone(), doubt);
    }

    pub(super) fn propose(&mut self, desk: &DeskKey, reservations: Vec<Reservation>) {
        let propose = |reservation| Job::new(Task::Propose { desk: desk.clone(), reservation }, None);
        self.own.extend(reservations.into_iter().map(propose));
    }

    /// Says why legs that changed wait, where that is news. Those for which a proposal is under way are left to it.
    fn diagnose(&mut self, desk: &DeskKey, legs: Vec<LegId>) {
        if legs.is_empty() {
            return;
        }
        let proposed = |job: &Job| match &job.task {
            Task::Propose { reservation, .. } => Some(reservation.leg),
            Task::Call { .. } | Task::Own { .. } => None,
        };
        let proposed: BTreeSet<LegId> = self.own.iter().filter_map(proposed).collect();
        let news = self.inner.with_desk(desk, |state| {
            let open = legs.into_iter().filter(|leg| !proposed.contains(leg));
            open.filter_map(|leg| Some((leg, state.news(leg)?))).collect::<Vec<_>>()
        });
        for (leg, (leg_ver, infeasibility)) in news.into_iter().flatten() {
            let infeasibility = Some(infeasibility);
            self.own.push_back(Job::own(desk, Command::Diagnose { leg, leg_ver, infeasibility }));
        }
    }

    /// Tells the index which reservations came to nothing.
    async fn free(&mut self, refused: Vec<(DeskKey, LegId, u32)>) {
        let (now, mut left) = (self.inner.clock.now(), 0);
        for (desk, leg, leg_ver) in refused {
            let Some((epoch, head)) = self.inner.with_desk(&desk, |state| (state.epoch, state.head)) else { continue };
            match self.inner.index.refuse(&desk, epoch, leg, leg_ver, head, now).await {
                Ok(reservations) => self.propose(&desk, reservations),
                // It lapses within a second.
                Err(_) => left += 1,
            }
        }
        if left > 0 {
            tracing::warn!(left, "refused reservations were left to lapse: the index did not take them back");
        }
    }

    /// Nothing came of a batch that others were in the way of: its jobs go first in the next one.
    pub(super) fn try_again(&mut self, jobs: Vec<Job>) {
        tracing::info!(jobs = jobs.len(), "a batch is decided anew: others had its rows");
        for mut job in jobs.into_iter().rev() {
            job.tries += 1;
            if job.tries < MAX_TRIES {
                self.own.push_front(job);
            } else {
                self.give_up(job, Failure::of_store(&store::Error::Undone));
            }
        }
    }

    /// Nothing came of a job. Reservations lapse by themselves, deadlines are found again by the next poll.
    pub(super) fn give_up(&mut self, job: Job, failure: Failure) {
        if let Task::Own { desk, command: Command::Diagnose { leg, .. } } = &job.task {
            self.news.add_later(desk, vec![*leg], self.inner.clock.now());
        }
        job.answer(Err(failure));
    }

    /// Tells the callers. Those for whom something has to be interned first wait for it.
    pub(super) fn answer(&mut self, decided: impl IntoIterator<Item = (Job, Verdict)>) {
        for (mut job, verdict) in decided {
            match verdict {
                Verdict::Answered(outcome) => job.answer(Ok(outcome)),
                Verdict::Rejected(reject) => job.answer(Err(Failure::Rejected(reject))),
                Verdict::Reused => job.answer(Err(Failure::RequestIdReused)),
                Verdict::NeedsIntern { .. } if job.interns >= MAX_INTERNS => {
                    tracing::error!(desk = %job.task.desk().desk, "lanes or groups vanish as fast as they are interned");
                    job.answer(Err(Failure::Overloaded { retry_after: RETRY_AFTER }));
                }
                Verdict::NeedsIntern { lanes, groups } => {
                    let wanted = self.wanted.entry(job.task.desk().clone()).or_default();
                    wanted.lanes.extend(lanes);
                    wanted.groups.extend(groups);
                    job.interns += 1;
                    job.task.forget_held();
                    wanted.jobs.push(job);
                }
                Verdict::Broken => {
                    tracing::error!(task = ?job.task, "deciding a command panicked: this is a bug");
                    job.answer(Err(Failure::Internal));
                }
            }
        }
    }
}

/// What a commit appended, as streams read it.
fn log_rows(
    changes: &BTreeMap<DeskKey, DeskChange>,
    entries: Vec<(DeskKey, Vec<Arc<Entry>>)>,
) -> Vec<(DeskKey, Vec<Arc<LogRow>>, u64)> {
    let rows = entries.into_iter().filter_map(|(desk, entries)| {
        let tickets: BTreeMap<TicketId, &Arc<Ticket>> = changes
            .get(&desk)
            .into_iter()
            .flat_map(|change| change.tickets.iter().map(|moved| (moved.after.id, &moved.after)))
            .collect();
        let head = entries.last()?.seq;
        let row = |entry: Arc<Entry>| {
            let ticket = entry.event.ticket.and_then(|id| tickets.get(&id));
            let (ticket_name, content) = ticket.map(|row| (row.name.clone(), row.content.clone())).unzip();
            Arc::new(LogRow { entry, ticket_name, content })
        };
        Some((desk, entries.into_iter().map(row).collect(), head))
    });
    rows.collect()
}
