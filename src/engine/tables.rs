//! The interned tables: lanes and groups come in transactions of their own, before the commands that need them, and go when
//! nothing has used them for a while.

use std::collections::BTreeSet;

use super::batch::Verdict;
use super::call::Failure;
use super::task::Task;
use super::writer::{Job, Writer};
use crate::availability::Availability;
use crate::domain::desk::LaneKey;
use crate::domain::id::{DeskKey, LegId};
use crate::domain::requirement::Expertise;
use crate::routing::command::Command;
use crate::store::Store;

/// What has to be interned, and for whom.
#[derive(Default)]
pub(super) struct Wanted {
    pub lanes: BTreeSet<LaneKey>,
    pub groups: BTreeSet<Expertise>,
    pub jobs: Vec<Job>,
}

impl<S: Store, A: Availability> Writer<S, A> {
    /// Interns lanes and groups in a transaction of their own; whoever asked for them goes first in the next batch.
    pub(super) async fn intern(&mut self, desk: DeskKey, wanted: Wanted) {
        let Wanted { lanes, groups, jobs } = wanted;
        let command = Command::Intern { lanes: lanes.into_iter().collect(), groups: groups.into_iter().collect() };
        let failure = match self.commit(vec![Task::Own { desk, command }]).await {
            Ok(verdicts) => match verdicts.into_iter().next() {
                Some(Verdict::Rejected(reject)) => Failure::Rejected(reject),
                Some(Verdict::Broken) => Failure::Internal,
                Some(Verdict::Answered(_) | Verdict::Reused | Verdict::NeedsIntern { .. }) | None => {
                    jobs.into_iter().rev().for_each(|job| self.own.push_front(job));
                    return;
                }
            },
            Err(failure) => failure,
        };
        jobs.into_iter().for_each(|job| job.answer(Err(failure.clone())));
    }

    /// Retires what nothing has used for a while: alone in its batch, so that nothing begins to use it meanwhile.
    pub(super) async fn retire_idle(&mut self) {
        let now = self.inner.clock.now();
        let idle: Vec<_> =
            self.inner.desks_mut().iter_mut().map(|(desk, state)| (desk.clone(), state.idle(now))).collect();
        for (desk, (lanes, groups)) in idle {
            if lanes.is_empty() && groups.is_empty() {
                continue;
            }
            if let Err(failure) =
                self.commit(vec![Task::Own { desk, command: Command::Retire { lanes, groups } }]).await
            {
                tracing::warn!(%failure, "idle lanes are kept for now");
            }
        }
    }

    /// Other limits are held now: legs whose need names an amount are put where they belong.
    pub(super) async fn relane(&mut self, desk: &DeskKey) {
        match self.inner.store.waiting_with_amounts(desk).await {
            Ok(legs) => {
                let versioned = self.inner.with_desk(desk, |state| {
                    let known = |leg: LegId| Some((leg, state.waiters.version(leg)?));
                    legs.into_iter().filter_map(known).collect::<Vec<_>>()
                });
                let relane = |(leg, leg_ver)| Job::own(desk, Command::Relane { leg, leg_ver });
                self.own.extend(versioned.into_iter().flatten().map(relane));
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "legs stay in lanes of old limits"),
        }
    }
}
