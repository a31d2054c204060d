//! What may have to be said of legs that wait and that nobody has touched: the first agent of a lane came on duty, or the last one
//! went, or a connector is away. A long line is told a little at a time: an offer goes before the reasons why others have to wait.
//!
//! What follows from another replica's commit, that replica says. It is looked at again here a little later, should it not have.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::domain::id::{DeskKey, LegId};
use crate::domain::ticket::Infeasibility;
use crate::domain::time::{Span, Time};

/// How long another replica has to say what follows from its own commit, and how long for each leg of it: two that tell the same line
/// stand in each other's way.
const ITS_TIME: Span = Span::from_secs(2);
const A_LEG: Span = Span::from_millis(2);
/// Legs that are looked at before the writer goes on with its work.
const LOOKED_AT: usize = 2_000;

type Place = (DeskKey, LegId);

#[derive(Default)]
pub(super) struct News {
    legs: BTreeSet<Place>,
    /// The last one that was looked at. It goes round, so that a desk with a long line does not keep the others waiting; and from the
    /// end of a line to its beginning, where legs are offered soon.
    at: Option<Place>,
    later: BTreeSet<(Time, Place)>,
    /// When each of these is looked at.
    due: BTreeMap<Place, Time>,
}

impl News {
    pub fn add(&mut self, desk: &DeskKey, legs: impl IntoIterator<Item = LegId>) {
        self.legs.extend(legs.into_iter().map(|leg| (desk.clone(), leg)));
    }

    pub fn add_later(&mut self, desk: &DeskKey, legs: Vec<LegId>, now: Time) {
        let at = now + ITS_TIME + A_LEG * i64::try_from(legs.len()).unwrap_or(0);
        for leg in legs {
            let place = (desk.clone(), leg);
            if let Entry::Vacant(due) = self.due.entry(place.clone()) {
                due.insert(at);
                self.later.insert((at, place));
            }
        }
    }

    /// What was to be looked at later is looked at now.
    pub fn hasten(&mut self, desk: &DeskKey) {
        let due = std::mem::take(&mut self.due);
        let (now, later): (BTreeMap<_, _>, BTreeMap<_, _>) = due.into_iter().partition(|((other, _), _)| other == desk);
        self.due = later;
        self.later.retain(|(_, (other, _))| other != desk);
        self.legs.extend(now.into_keys());
    }

    /// Whether there is something to look at.
    pub fn any(&self, now: Time) -> bool {
        self.next().is_some_and(|at| at <= now)
    }

    /// When there is something to look at, should nothing be added.
    pub fn next(&self) -> Option<Time> {
        if self.legs.is_empty() { self.later.first().map(|(at, _)| *at) } else { Some(Time(0)) }
    }

    /// Up to `most` legs of which something is to be said, by what `news` knows of a leg's version and of why it waits.
    pub fn take(
        &mut self,
        most: usize,
        now: Time,
        news: impl Fn(&DeskKey, LegId) -> Option<(u32, Infeasibility)>,
    ) -> Vec<(DeskKey, LegId, u32, Infeasibility)> {
        while self.later.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, place)) = self.later.pop_first()
        {
            self.due.remove(&place);
            self.legs.insert(place);
        }
        let mut found = Vec::new();
        for _ in 0..LOOKED_AT {
            if found.len() == most {
                break;
            }
            let before = self.at.take().and_then(|at| self.legs.range(..at).next_back());
            let Some(place) = before.or_else(|| self.legs.last()).cloned() else { break };
            self.legs.remove(&place);
            self.at = Some(place.clone());
            let (desk, leg) = place;
            if let Some((leg_ver, infeasibility)) = news(&desk, leg) {
                found.push((desk, leg, leg_ver, infeasibility));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{DeskId, TenantId, TicketId};

    fn desk(name: &str) -> DeskKey {
        DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse(name).expect("a name") }
    }

    fn legs(count: u128) -> impl Iterator<Item = LegId> {
        (0..count).map(|nth| LegId { ticket: TicketId(uuid::Uuid::from_u128(nth)), leg: 1 })
    }

    fn busy(_: &DeskKey, _: LegId) -> Option<(u32, Infeasibility)> {
        Some((1, Infeasibility::Busy))
    }

    #[test]
    fn a_long_line_does_not_keep_another_desk_waiting() {
        let mut news = News::default();
        news.add(&desk("b"), legs(100));
        assert_eq!(news.take(10, Time(0), busy).len(), 10);
        news.add(&desk("a"), legs(1));
        news.add(&desk("b"), legs(100));
        let next: Vec<DeskKey> = news.take(91, Time(0), busy).into_iter().map(|(desk, ..)| desk).collect();
        assert_eq!(next.iter().filter(|row| **row == desk("a")).count(), 1, "after the rest of the line");
        let rest = news.take(1_000, Time(0), busy);
        assert_eq!(rest.len(), 10, "what was added again is looked at again, once");
        assert!(!news.any(Time(0)));
    }

    #[test]
    fn what_another_replica_has_said_is_not_said_again() {
        let mut news = News::default();
        news.add_later(&desk("a"), legs(1_000).collect(), Time(0));
        news.add_later(&desk("b"), legs(2).collect(), Time(0));
        let (soon, late) = (Time(0) + ITS_TIME + A_LEG * 2, Time(0) + ITS_TIME + A_LEG * 1_000);
        assert_eq!(news.next(), Some(soon), "a long line takes longer to tell");
        assert!(news.take(10, soon + Span(-1), busy).is_empty());
        let only_first = |_: &DeskKey, leg: LegId| busy(&desk("b"), leg).filter(|_| leg.ticket.0.is_nil());
        assert_eq!(news.take(10, soon, only_first).len(), 1);
        assert_eq!(news.next(), Some(late));
        news.add_later(&desk("a"), legs(3).collect(), soon);
        assert_eq!(news.next(), Some(late), "each once, at the time that was set first");
        news.add_later(&desk("b"), legs(1).collect(), soon);
        news.hasten(&desk("a"));
        assert_eq!(news.take(10_000, soon, busy).len(), 1_000, "its own commit was among others'");
        assert!(news.next().is_some(), "another desk's is not hastened");
        assert_eq!(news.take(10, late + ITS_TIME, busy).len(), 1);
        assert!(!news.any(Time(i64::MAX)));
    }
}
