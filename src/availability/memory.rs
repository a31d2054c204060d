//! The availability index in this process: ordered sets, and one lock that is held for the length of a call.
//!
//! Every call is a plain function over a desk's `View`; the methods are async only because the port is. What the simulation
//! calls has its plain form beside it (`reserve_at_once`, `advance_at_once`). Start reading at `view` (what a change does) and
//! `matching` (who gets what).

mod agents;
mod dump;
mod fits;
mod free;
mod leases;
mod lines;
mod matching;
#[cfg(test)]
mod tests;
mod view;

pub use agents::Lease;
pub use dump::{AgentDump, Dump};
pub use free::{AgentKey, Spot};
pub use lines::Line;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use self::matching::Moment;
use self::view::View;
use super::{
    Advanced, Ask, Availability, Beat, Change, Error, Lapsed, PAGE, RESERVATION, Reservation, RowKey, SWEEP_GAP,
};
use crate::domain::id::{DeskKey, LegId};
use crate::domain::time::{Span, Time};

pub struct MemoryIndex {
    /// How long a reservation is held, on the clock that the callers' `now` comes from.
    reservation: Span,
    desks: Mutex<BTreeMap<DeskKey, Desk>>,
}

#[derive(Clone, Default)]
struct Desk {
    /// The highest epoch begun.
    epoch: u64,
    /// `None` while the view of that epoch is loaded.
    view: Option<View>,
    loading: Option<Loading>,
    /// The last sweep of leases since the flip.
    tick: Option<Time>,
    /// When it was last claimed to be compared.
    compared: Option<Time>,
}

#[derive(Clone)]
struct Loading {
    token: u128,
    pages: u32,
    view: View,
}

impl Default for MemoryIndex {
    fn default() -> MemoryIndex {
        MemoryIndex::new(RESERVATION)
    }
}

impl MemoryIndex {
    pub fn new(reservation: Span) -> MemoryIndex {
        MemoryIndex { reservation, desks: Mutex::default() }
    }

    /// All of it as it is now, and from here on for itself.
    ///
    /// # Errors
    /// When a call panicked.
    pub fn copy(&self) -> Result<MemoryIndex, Error> {
        Ok(MemoryIndex { reservation: self.reservation, desks: Mutex::new(self.lock()?.clone()) })
    }

    /// Everything the desk's view holds, in one order; `None` while there is none.
    pub fn dump(&self, desk: &DeskKey) -> Result<Option<Dump>, Error> {
        Ok(self.lock()?.get(desk).and_then(|desk| desk.view.as_ref()).map(View::dump))
    }

    /// Gives a desk whose log is empty its first view.
    ///
    /// # Errors
    /// When there was a view of this epoch, or a later one.
    pub fn open(&self, desk: &DeskKey, epoch: u64) -> Result<(), Error> {
        let mut desks = self.lock()?;
        let row = desks.entry(desk.clone()).or_default();
        row.begin(epoch, 0)?;
        row.flip(0, 0, 0, 0)?;
        row.view.iter_mut().for_each(|view| view.unmatched = None);
        Ok(())
    }

    /// [`Availability::reserve`], which does not wait here.
    ///
    /// # Errors
    /// As there.
    pub fn reserve_at_once(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        asks: Vec<Ask>,
        now: Time,
    ) -> Result<Vec<Option<Reservation>>, Error> {
        self.at(desk, epoch, |view| {
            if view.cursor < seen || view.unmatched.is_some() {
                return asks.iter().map(|_| None).collect();
            }
            view.reserve(asks, self.moment(now))
        })
    }

    /// [`Availability::advance`], which does not wait here.
    ///
    /// # Errors
    /// As there.
    pub fn advance_at_once(
        &self,
        desk: &DeskKey,
        epoch: u64,
        from: u64,
        to: u64,
        change: Change,
        now: Time,
    ) -> Result<Advanced, Error> {
        self.at(desk, epoch, |view| {
            if view.cursor >= to {
                return Advanced::Passed;
            }
            if view.cursor < from {
                return Advanced::Behind { cursor: view.cursor };
            }
            view.apply(change, now);
            view.move_to(to);
            Advanced::Applied { cursor: to, reservations: view.settle(self.moment(now)) }
        })
    }

    /// A panic inside a call may have left a view half changed: the index then answers nobody any more.
    fn lock(&self) -> Result<MutexGuard<'_, BTreeMap<DeskKey, Desk>>, Error> {
        self.desks.lock().map_err(|_| Error::Away)
    }

    fn at<T>(&self, key: &DeskKey, epoch: u64, call: impl FnOnce(&mut View) -> T) -> Result<T, Error> {
        let mut desks = self.lock()?;
        let view = desks.get_mut(key).filter(|desk| desk.epoch == epoch).and_then(|desk| desk.view.as_mut());
        view.map(call).ok_or_else(|| Error::WrongEpoch { desk: key.clone(), epoch })
    }

    fn moment(&self, now: Time) -> Moment {
        Moment { now, reservation: self.reservation }
    }
}

impl Desk {
    /// The load that this token began.
    fn loading(&mut self, token: u128) -> Result<&mut Loading, Error> {
        let loading = self.loading.as_mut().filter(|loading| loading.token == token);
        loading.ok_or(Error::RebuildRefused { why: "no load with this token is under way" })
    }

    fn begin(&mut self, epoch: u64, token: u128) -> Result<(), Error> {
        let again = epoch == self.epoch && self.loading.as_ref().is_some_and(|loading| loading.token == token);
        if epoch <= self.epoch && !again {
            return Err(Error::RebuildRefused { why: "the epoch is not newer than the last one begun" });
        }
        let loading = Some(Loading { token, pages: 0, view: View::default() });
        *self = Desk { epoch, view: None, loading, ..Desk::default() };
        Ok(())
    }

    fn flip(&mut self, token: u128, pages: u32, cursor: u64, head: u64) -> Result<(), Error> {
        if self.loading(token)?.pages != pages {
            return Err(Error::RebuildRefused { why: "pages are missing" });
        }
        self.view = self.loading.take().map(|loading| loading.view.loaded(cursor, head));
        Ok(())
    }

    /// `None` when no session lapsed.
    fn sweep(&mut self, moment: Moment) -> Option<Lapsed> {
        let view = self.view.as_mut()?;
        let slept = self.tick.is_none_or(|last| moment.now - last > SWEEP_GAP);
        self.tick = Some(moment.now);
        if slept {
            view.renew_leases(moment.now);
            return None;
        }
        let lapsed = view.sweep_leases(moment.now);
        view.settle(moment);
        (lapsed != Lapsed::default()).then_some(lapsed)
    }
}

impl Availability for MemoryIndex {
    async fn reserve(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        asks: Vec<Ask>,
        now: Time,
    ) -> Result<Vec<Option<Reservation>>, Error> {
        self.reserve_at_once(desk, epoch, seen, asks, now)
    }

    async fn advance(
        &self,
        desk: &DeskKey,
        epoch: u64,
        from: u64,
        to: u64,
        change: Change,
        now: Time,
    ) -> Result<Advanced, Error> {
        self.advance_at_once(desk, epoch, from, to, change, now)
    }

    async fn refuse(
        &self,
        desk: &DeskKey,
        epoch: u64,
        leg: LegId,
        leg_ver: u32,
        head: u64,
        now: Time,
    ) -> Result<Vec<Reservation>, Error> {
        self.at(desk, epoch, |view| {
            view.refuse(leg, leg_ver, head);
            view.settle(self.moment(now))
        })
    }

    async fn expire(&self, limit: usize, now: Time) -> Result<Vec<(DeskKey, Reservation)>, Error> {
        let mut left = limit;
        let mut made = Vec::new();
        for (key, desk) in self.lock()?.iter_mut() {
            let Some(view) = desk.view.as_mut() else { continue };
            left -= view.lapse(left, now);
            made.extend(view.settle(self.moment(now)).into_iter().map(|reservation| (key.clone(), reservation)));
        }
        Ok(made)
    }

    async fn beat(
        &self,
        desk: &DeskKey,
        epoch: u64,
        beats: &[Beat],
        now: Time,
    ) -> Result<(Vec<bool>, Vec<Reservation>), Error> {
        self.at(desk, epoch, |view| {
            let current = beats.iter().map(|beat| view.beat(beat.agent, beat.session, now)).collect();
            (current, view.settle(self.moment(now)))
        })
    }

    async fn lost(&self, now: Time) -> Result<Vec<(DeskKey, Lapsed)>, Error> {
        let mut desks = self.lock()?;
        let lapsed = desks.iter_mut().filter_map(|(key, desk)| Some((key.clone(), desk.sweep(self.moment(now))?)));
        Ok(lapsed.collect())
    }

    async fn begin(&self, desk: &DeskKey, epoch: u64, token: u128, _now: Time) -> Result<(), Error> {
        self.lock()?.entry(desk.clone()).or_default().begin(epoch, token)
    }

    async fn load(&self, desk: &DeskKey, token: u128, page: u32, change: Change, now: Time) -> Result<(), Error> {
        let mut desks = self.lock()?;
        let loading = desks.entry(desk.clone()).or_default().loading(token)?;
        if page != loading.pages {
            return Err(Error::RebuildRefused { why: "this is not the next page" });
        }
        loading.pages += 1;
        loading.view.apply(change, now);
        Ok(())
    }

    async fn flip(&self, desk: &DeskKey, token: u128, pages: u32, cursor: u64, head: u64) -> Result<(), Error> {
        self.lock()?.entry(desk.clone()).or_default().flip(token, pages, cursor, head)
    }

    async fn rematch(&self, desk: &DeskKey, epoch: u64, now: Time) -> Result<(Vec<Reservation>, bool), Error> {
        self.at(desk, epoch, |view| match view.unmatched {
            None => (Vec::new(), true),
            Some(head) if view.cursor < head => (Vec::new(), false),
            Some(_) => {
                let made = view.rematch(PAGE, self.moment(now));
                (made, view.unmatched.is_none())
            }
        })
    }

    async fn claim(&self, desk: &DeskKey, epoch: u64, every: Span, now: Time) -> Result<bool, Error> {
        self.at(desk, epoch, |_| ())?;
        let mut desks = self.lock()?;
        let compared = &mut desks.entry(desk.clone()).or_default().compared;
        let claims = compared.is_none_or(|last| now - last >= every);
        if claims {
            *compared = Some(now);
        }
        Ok(claims)
    }

    async fn versions(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        keys: &[RowKey],
    ) -> Result<Option<Vec<Option<u64>>>, Error> {
        self.at(desk, epoch, |view| {
            let versions = || keys.iter().map(|key| view.version(*key)).collect();
            (view.cursor >= seen).then(versions)
        })
    }

    async fn rows(&self, desk: &DeskKey, epoch: u64, _from: &str) -> Result<(Vec<RowKey>, Option<String>), Error> {
        self.at(desk, epoch, |view| (view.keys(), None))
    }

    async fn heard(&self) -> (DeskKey, u64) {
        std::future::pending().await
    }
}
