//! Turns: which jobs make up a batch, and when it begins.
//!
//! It never waits for a batch to fill when nothing else is to be done: a lone call pays one commit, a busy service fills its
//! batches by itself. While a batch is written the next one is decided on what that one leaves; memory and the index follow
//! each when it is committed, in their order. Never more than two are under way. Callers wait for memory and not for the index,
//! which may be far away.

use std::collections::BTreeSet;
use std::panic::resume_unwind;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};

use super::batch::Decided;
use super::writer::{Job, Writer};
use crate::availability::Availability;
use crate::domain::id::DeskKey;
use crate::domain::time::{Span, Time};
use crate::routing::command::Command;
use crate::store::{Committed, Error, MAX_BATCH, Store};

/// How often idle lanes and groups are looked for.
const RETIRE_EVERY: Span = Span::from_mins(1);

/// Reasons to wait in a batch, at most: beside other jobs, and when there is nothing else.
const NEWS_BESIDE: usize = 32;
const NEWS_ALONE: usize = 64;
/// Places in a batch that are kept for them, however many calls wait.
const NEWS_KEPT: usize = 8;

/// Jobs in a batch that begins beside another, at least.
const WORTH_IT: usize = 16;

/// A batch that is decided, or about to be, and not known to be committed.
pub(super) struct UnderWay {
    jobs: Vec<Job>,
    desks: BTreeSet<DeskKey>,
    /// One task, which ends with the writer.
    task: JoinSet<Outcome>,
    /// What it ended with.
    outcome: Option<Result<Outcome, JoinError>>,
    /// Whether another batch may begin beside it.
    overlaps: bool,
}

type Outcome = Result<Committed<Decided>, Error>;

impl UnderWay {
    /// Until its outcome is there. May be dropped and called again.
    async fn ended(&mut self) {
        if self.outcome.is_none() {
            self.outcome = self.task.join_next().await;
        }
    }
}

/// What is to be done next.
enum Turn {
    Begin,
    Land,
    /// There is something to look into.
    Look,
    /// Nobody can send a job any more, and all is decided.
    End,
}

impl<S: Store, A: Availability> Writer<S, A> {
    /// Runs until every sender is gone and all is decided.
    pub async fn run(mut self) {
        loop {
            if self.under_way.is_none() {
                self.chores().await;
            }
            match self.turn().await {
                Turn::Begin => self.begin().await,
                Turn::Land => {
                    if let Some(batch) = self.under_way.take() {
                        self.land(batch).await;
                    }
                }
                Turn::Look => {}
                Turn::End => return self.loads.give_up(&self.inner).await,
            }
        }
    }

    /// What needs everything that is decided to be committed, and memory to know it.
    async fn chores(&mut self) {
        self.take_loaded().await;
        self.dispel_doubts().await;
        for (desk, wanted) in std::mem::take(&mut self.wanted) {
            self.intern(desk, wanted).await;
        }
        if self.is_time_to_retire() {
            self.retired_at = self.inner.clock.now();
            self.retire_idle().await;
        }
    }

    fn is_time_to_retire(&self) -> bool {
        self.inner.clock.now() - self.retired_at >= RETIRE_EVERY
    }

    fn has_chores(&self) -> bool {
        let doubtful = self.doubts.any() || self.inner.reports.any();
        doubtful || !self.wanted.is_empty() || self.is_time_to_retire()
    }

    /// Gathers jobs until it is time for a batch.
    async fn turn(&mut self) -> Turn {
        let most = if self.news.any(self.inner.clock.now()) { MAX_BATCH - NEWS_KEPT } else { MAX_BATCH };
        let room = most.saturating_sub(self.jobs.len());
        self.jobs.extend(self.own.drain(..self.own.len().min(room)));
        while self.jobs.len() < most
            && let Ok(job) = self.queue.try_recv()
        {
            self.jobs.push(job);
        }
        self.add_news();
        if self.under_way.is_none() {
            return if self.jobs.is_empty() { self.wait().await } else { Turn::Begin };
        }
        while !self.begins_beside() {
            let Some(batch) = &mut self.under_way else { return Turn::Look };
            let room = MAX_BATCH.saturating_sub(self.jobs.len());
            tokio::select! {
                biased;
                () = batch.ended() => return Turn::Land,
                count = self.queue.recv_many(&mut self.jobs, room), if room > 0 => {
                    if count == 0 {
                        return Turn::Land;
                    }
                }
            }
        }
        Turn::Begin
    }

    /// Fills the batch up with reasons to wait.
    fn add_news(&mut self) {
        let now = self.inner.clock.now();
        if !self.news.any(now) {
            return;
        }
        let said = self.jobs.iter().filter(|job| job.task.is_diagnosis()).count();
        let most = if self.jobs.is_empty() { NEWS_ALONE } else { NEWS_BESIDE.saturating_sub(said) };
        let room = MAX_BATCH.saturating_sub(self.jobs.len()).min(most);
        let desks = self.inner.read_desks();
        let found = self.news.take(room, now, |desk, leg| desks.get(desk)?.news(leg));
        drop(desks);
        for (desk, leg, leg_ver, infeasibility) in found {
            let infeasibility = Some(infeasibility);
            self.jobs.push(Job::own(&desk, Command::Diagnose { leg, leg_ver, infeasibility }));
        }
    }

    /// Whether the jobs at hand are worth a batch beside the one under way. A batch costs much whatever is in it, and what has
    /// begun waits for the one before: small ones side by side are slower than one after the other.
    fn begins_beside(&self) -> bool {
        let Some(batch) = &self.under_way else { return false };
        // Reasons to wait do not overlap: with them a batch waits for its turn.
        let overlap = batch.overlaps && self.jobs.iter().all(|job| job.task.overlaps());
        overlap && self.jobs.len() >= batch.jobs.len().div_ceil(2).max(WORTH_IT) && !self.has_chores()
    }

    /// Until there is something to do.
    async fn wait(&mut self) -> Turn {
        let news = self.news.next().unwrap_or(Time(i64::MAX));
        tokio::select! {
            biased;
            count = self.queue.recv_many(&mut self.jobs, MAX_BATCH) => if count > 0 { Turn::Begin } else { Turn::End },
            () = self.inner.reports.notified() => Turn::Look,
            () = self.inner.clock.sleep_until(news), if self.news.next().is_some() => Turn::Look,
            () = self.loads.ended(), if self.loads.any() => Turn::Look,
            () = self.inner.clock.real_sleep(self.doubts.rest(self.inner.clock.uptime())), if self.doubts.any() => Turn::Look,
        }
    }

    /// Has a batch decided, from the reservation of agents on. The one before it is then brought to its end.
    async fn begin(&mut self) {
        let mut jobs = std::mem::take(&mut self.jobs);
        // An accept beats the expiry that it raced.
        jobs.sort_by_key(|job| job.task.class());
        self.reserve(&mut jobs).await;
        self.keep_up(&jobs).await;
        let tasks: Vec<_> = jobs.iter().map(|job| job.task.clone()).collect();
        let desks = tasks.iter().map(|task| task.desk().clone()).collect();
        let overlaps = tasks.iter().all(|task| task.overlaps());
        let (decided, news) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(self.transaction(tasks, Some(decided)));
        // Where it failed before it was decided, its outcome says so.
        let _decided = news.await;
        let before = self.under_way.replace(UnderWay { jobs, desks, task, outcome: None, overlaps });
        if let Some(before) = before {
            self.land(before).await;
        }
    }

    /// Waits for the commit; memory and the streams follow it, the callers are told, and the index follows.
    async fn land(&mut self, mut batch: UnderWay) {
        batch.ended().await;
        let UnderWay { jobs, desks, outcome, .. } = batch;
        let committed = match outcome {
            Some(Ok(committed)) => committed,
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is being shut down.
            Some(Err(_)) | None => return,
        };
        match committed {
            Ok(committed) => {
                let (verdicts, onward) = self.remember(committed).await;
                let (sessions, others): (Vec<_>, Vec<_>) =
                    jobs.into_iter().zip(verdicts).partition(|(_, verdict)| verdict.is_session());
                self.answer(others);
                self.follow(onward).await;
                self.answer(sessions);
            }
            Err(Error::Undone) => self.try_again(jobs),
            Err(error) => {
                let failure = self.not_committed(&error, desks);
                jobs.into_iter().for_each(|job| self.give_up(job, failure.clone()));
            }
        }
    }
}
