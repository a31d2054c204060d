//! The availability index in Redis (7.0 or later), shared by all replicas: the twin of the one in this process.
//!
//! Every call is one Lua script, so nobody sees a view half changed; the rules of who gets what are in `redis/*.lua`, and a
//! differential test holds them against the index in this process and against an oracle. Start reading at `keys` (what lies
//! where) and `view.lua` (what a change does).
//!
//! **Away.** Whatever Redis answers that is not an answer of a script (moved, loading, out of memory, a lost connection, no
//! answer in time) becomes [`Error::Away`]: the caller backs off and comes again, and nothing depends on what was lost. What
//! a script did though its answer was lost is harmless: an advance says that it passed, a reservation lapses.
//!
//! **Time.** `now` comes from the caller, as in the port. Replicas whose clocks differ shorten or lengthen reservations and
//! leases by the difference; leases are never shortened by a beat, and the store's guards do not look at either.

mod call;
mod dump;
mod hints;
mod keys;
mod link;
mod rows;
mod scripts;
mod url;

pub use keys::PREFIX;
pub use link::ConnectError;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;

use self::call::{Answer, Call};
use self::hints::Hints;
use self::link::Link;
use self::scripts::{Scripts, Text};
use super::{
    Advanced, Ask, Availability, Beat, Change, Error, LOST_AFTER, Lapsed, PAGE, RESERVATION, Reservation, RowKey,
    SUSPECT_AFTER, SWEEP_GAP,
};
use crate::clock::Clock;
use crate::domain::id::{DeskKey, LegId};
use crate::domain::time::{Span, Time};

/// Legs per call of a reservation beforehand: what is asked for within a budget goes in portions, so that what is answered counts.
const RESERVED_AT_ONCE: usize = 16;

/// How to reach Redis, and how patient to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// `redis://`, `rediss://` (TLS), `redis+cluster://a,b,c`, `redis+sentinel://a,b,c/NAME`; the latter two with `rediss` too.
    pub url: String,
    /// PEM file with the authority that signed the server's certificate, where the system does not trust it.
    pub ca_file: Option<PathBuf>,
    /// How long a reservation is held, on the clock that the callers' `now` comes from.
    pub reservation: Span,
    /// No answer for this long: away.
    pub response_timeout: Duration,
    /// What a reservation beforehand may take: without it, a ticket is only offered a commit later.
    pub reserve_budget: Duration,
    /// After a reservation that took longer, none is tried for this long: the first, doubled with each that takes too long again, up
    /// to the last.
    pub reserve_pause: RangeInclusive<Duration>,
}

impl Options {
    pub fn new(url: &str) -> Options {
        Options {
            url: url.to_owned(),
            ca_file: None,
            reservation: RESERVATION,
            response_timeout: Duration::from_secs(1),
            reserve_budget: Duration::from_millis(20),
            reserve_pause: Duration::from_millis(50)..=Duration::from_secs(1),
        }
    }
}

pub struct RedisIndex {
    options: Options,
    link: Link,
    hints: Hints,
    scripts: Scripts,
    clock: Clock,
    /// Desks that this process was asked about: those that it sweeps.
    desks: Mutex<BTreeSet<DeskKey>>,
    pause: Mutex<Pause>,
}

/// When reservations beforehand are tried again. One that takes too long may mean that the machine was busy for a moment, or that Redis
/// is slow: then every batch that waited for it would be late.
#[derive(Debug, Default)]
struct Pause {
    /// None before the clock's uptime has reached this.
    until: Duration,
    /// How long the last one was; zero where a reservation was answered in time since.
    length: Duration,
}

impl Pause {
    fn answered(&mut self) {
        self.length = Duration::ZERO;
    }

    fn late(&mut self, uptime: Duration, lengths: &RangeInclusive<Duration>) {
        self.length = (self.length * 2).clamp(*lengths.start(), *lengths.end());
        self.until = uptime + self.length;
    }
}

impl RedisIndex {
    /// Connects, and refuses a server that cannot hold an index. While nobody answers, nothing is found or kept; whoever answers later
    /// is looked at in the same way, and not used if it is not good enough.
    ///
    /// # Errors
    /// When the URL is none, the server refuses, is older than 7.0, or may evict keys.
    pub async fn connect(options: Options, clock: Clock) -> Result<RedisIndex, ConnectError> {
        RedisIndex::connect_edited(options, clock, str::to_owned).await
    }

    /// [`RedisIndex::connect`] with scripts that a test has changed.
    ///
    /// # Errors
    /// As there.
    #[doc(hidden)]
    pub async fn connect_edited(
        options: Options,
        clock: Clock,
        edit: impl Fn(&str) -> String,
    ) -> Result<RedisIndex, ConnectError> {
        let link = Link::connect(&options, &clock).await?;
        let hints = Hints::new(options.clone(), clock.clone());
        let (scripts, desks, pause) = (Scripts::new(edit), Mutex::default(), Mutex::default());
        Ok(RedisIndex { options, link, hints, scripts, clock, desks, pause })
    }

    /// Runs a script over a desk's keys.
    async fn run(&self, desk: &DeskKey, script: &Text, call: Call) -> Result<Answer, Error> {
        self.run_within(self.options.response_timeout, desk, script, call).await
    }

    async fn run_within(&self, limit: Duration, desk: &DeskKey, script: &Text, call: Call) -> Result<Answer, Error> {
        self.known(|desks| desks.insert(desk.clone()));
        let value = self.value(limit, desk, script, &call).await?;
        self.link.read(Answer::read(&value))
    }

    async fn value(&self, limit: Duration, desk: &DeskKey, script: &Text, call: &Call) -> Result<Value, Error> {
        let eval = async || match self.link.send(&call.evalsha(script, desk)).await {
            Err(error) if error.code() == Some("NOSCRIPT") => self.link.send(&call.eval(script, desk)).await,
            answer => answer,
        };
        // Boxed, for what a connection keeps while it waits would be part of every caller.
        match self.clock.real_timeout(limit, Box::pin(eval())).await {
            Ok(Ok(value)) => {
                self.link.answers();
                Ok(value)
            }
            Ok(Err(error)) => Err(self.link.away(&error.to_string())),
            // Too late for what is only worth it when it is quick.
            Err(_) if limit < self.options.response_timeout => Err(Error::Away),
            Err(late) => Err(self.link.away(&late.to_string())),
        }
    }

    /// The set of desks is whole after every call on it, whoever panicked meanwhile.
    fn known<T>(&self, look: impl FnOnce(&mut BTreeSet<DeskKey>) -> T) -> T {
        look(&mut self.desks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn known_desks(&self) -> Vec<DeskKey> {
        self.known(|desks| desks.iter().cloned().collect())
    }

    fn pause(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `now`, and how long what is reserved is held.
    fn moment(&self, now: Time) -> [String; 2] {
        [now.0.to_string(), self.options.reservation.0.to_string()]
    }
}

fn of_epoch(answer: Answer, desk: &DeskKey, epoch: u64) -> Result<Answer, Error> {
    if answer.status == "EPOCH" { Err(Error::WrongEpoch { desk: desk.clone(), epoch }) } else { Ok(answer) }
}

/// Why a rebuild was refused, as the index in this process says it.
fn rebuilt(answer: &Answer) -> Result<(), Error> {
    let why = match (answer.status.as_str(), answer.texts.first().map(String::as_str)) {
        ("REBUILD", Some("epoch")) => "the epoch is not newer than the last one begun",
        ("REBUILD", Some("token")) => "no load with this token is under way",
        ("REBUILD", Some("page")) => "this is not the next page",
        ("REBUILD", _) => "pages are missing",
        _ => return Ok(()),
    };
    Err(Error::RebuildRefused { why })
}

impl Availability for RedisIndex {
    async fn reserve(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        asks: Vec<Ask>,
        now: Time,
    ) -> Result<Vec<Option<Reservation>>, Error> {
        if self.clock.uptime() < self.pause().until {
            return Err(Error::Away);
        }
        let mut order: Vec<usize> = (0..asks.len()).collect();
        order.sort_by_key(|at| asks[*at].waiting.key);
        let mut answers: Vec<Option<Reservation>> = asks.iter().map(|_| None).collect();
        let (started, budget) = (self.clock.uptime(), self.options.reserve_budget);
        for portion in order.chunks(RESERVED_AT_ONCE) {
            let mut call = Call::default().number(epoch).number(seen).texts(self.moment(now));
            for at in portion {
                call = call.texts([rows::leg_id(asks[*at].leg), rows::waiting(0, &asks[*at].waiting)]);
            }
            let begun = self.clock.uptime();
            let answer = self.run_within(budget, desk, &self.scripts.reserve, call).await;
            let ended = self.clock.uptime();
            match &answer {
                Ok(_) => self.pause().answered(),
                Err(_) if ended - begun >= budget => self.pause().late(ended, &self.options.reserve_pause),
                Err(_) => {}
            }
            let answer = match answer {
                // What the portions before it were answered is not given up.
                Err(Error::Away) if answers.iter().any(Option::is_some) => break,
                answer => of_epoch(answer?, desk, epoch)?,
            };
            for (at, text) in portion.iter().zip(&answer.texts) {
                answers[*at] = if text.is_empty() { None } else { Some(self.link.read(rows::reservation(text))?) };
            }
            // The others are created waiting, and matched by the advance.
            if ended - started + (ended - begun) > budget {
                break;
            }
        }
        Ok(answers)
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
        let call = Call::default().number(epoch).number(from).number(to).texts(self.moment(now)).change(&change);
        let answer = of_epoch(self.run(desk, &self.scripts.advance, call).await?, desk, epoch)?;
        match answer.status.as_str() {
            "PASSED" => Ok(Advanced::Passed),
            "BEHIND" => Ok(Advanced::Behind { cursor: self.link.read(answer.number(0))? }),
            _ => Ok(Advanced::Applied { cursor: to, reservations: self.link.read(answer.reservations(0))? }),
        }
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
        let call = Call::default().number(epoch).texts([rows::leg_id(leg), format!("{leg_ver:08x}")]);
        let call = call.number(head).texts(self.moment(now));
        let answer = of_epoch(self.run(desk, &self.scripts.refuse, call).await?, desk, epoch)?;
        self.link.read(answer.reservations(0))
    }

    async fn expire(&self, limit: usize, now: Time) -> Result<Vec<(DeskKey, Reservation)>, Error> {
        let (mut left, mut made) = (limit, Vec::new());
        for desk in self.known_desks() {
            if left == 0 {
                break;
            }
            let call = Call::default().texts([left.to_string()]).texts(self.moment(now));
            let answer = match self.run(&desk, &self.scripts.expire, call).await {
                Ok(answer) => answer,
                // What the desks before it answered is the caller's; this one and the rest come with the next sweep.
                Err(_) if !made.is_empty() => break,
                Err(error) => return Err(error),
            };
            left -= self.link.read(answer.count(0))?.min(left);
            made.extend(self.link.read(answer.reservations(1))?.into_iter().map(|one| (desk.clone(), one)));
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
        let call = Call::default().number(epoch).texts(self.moment(now));
        let call = call.texts(beats.iter().map(|beat| format!("{:08x}{:016x}", beat.agent.0, beat.session)));
        let answer = of_epoch(self.run(desk, &self.scripts.beat, call).await?, desk, epoch)?;
        let current = self.link.read(answer.text(0))?.chars().map(|current| current == '1').collect();
        Ok((current, self.link.read(answer.reservations(1))?))
    }

    async fn lost(&self, now: Time) -> Result<Vec<(DeskKey, Lapsed)>, Error> {
        let mut all = Vec::new();
        for desk in self.known_desks() {
            let spans = [now.0, SUSPECT_AFTER.0, LOST_AFTER.0, SWEEP_GAP.0];
            let call = Call::default().texts(spans.map(|span| span.to_string()));
            let answer = match self.run(&desk, &self.scripts.lost, call).await {
                Ok(answer) => answer,
                Err(_) if !all.is_empty() => break,
                Err(error) => return Err(error),
            };
            let mut lapsed = self.link.read(answer.lapsed())?;
            // The script names them by how long they are silent.
            lapsed.suspect.sort_unstable();
            lapsed.lost.sort_unstable();
            if lapsed != Lapsed::default() {
                all.push((desk, lapsed));
            }
        }
        Ok(all)
    }

    async fn begin(&self, desk: &DeskKey, epoch: u64, token: u128, _now: Time) -> Result<(), Error> {
        let call = Call::default().number(epoch).token(token);
        rebuilt(&self.run(desk, &self.scripts.begin, call).await?)
    }

    async fn load(&self, desk: &DeskKey, token: u128, page: u32, change: Change, now: Time) -> Result<(), Error> {
        let call = Call::default().token(token).texts([page.to_string(), now.0.to_string()]).change(&change);
        rebuilt(&self.run(desk, &self.scripts.load, call).await?)
    }

    async fn flip(&self, desk: &DeskKey, token: u128, pages: u32, cursor: u64, head: u64) -> Result<(), Error> {
        let call = Call::default().token(token).texts([pages.to_string()]).number(cursor).number(head);
        rebuilt(&self.run(desk, &self.scripts.flip, call).await?)
    }

    async fn rematch(&self, desk: &DeskKey, epoch: u64, now: Time) -> Result<(Vec<Reservation>, bool), Error> {
        let call = Call::default().number(epoch).texts([PAGE.to_string()]).texts(self.moment(now));
        let answer = of_epoch(self.run(desk, &self.scripts.rematch, call).await?, desk, epoch)?;
        let done = self.link.read(answer.text(0))? == "1";
        Ok((self.link.read(answer.reservations(1))?, done))
    }

    async fn claim(&self, desk: &DeskKey, epoch: u64, every: Span, now: Time) -> Result<bool, Error> {
        let call = Call::default().number(epoch).texts([now.0.to_string(), every.0.to_string()]);
        let answer = of_epoch(self.run(desk, &self.scripts.claim, call).await?, desk, epoch)?;
        Ok(self.link.read(answer.text(0))? == "1")
    }

    async fn versions(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        keys: &[RowKey],
    ) -> Result<Option<Vec<Option<u64>>>, Error> {
        let call = Call::default().number(epoch).number(seen).texts(keys.iter().map(|key| rows::key(*key)));
        let answer = of_epoch(self.run(desk, &self.scripts.versions, call).await?, desk, epoch)?;
        if answer.status == "BEHIND" {
            return Ok(None);
        }
        self.link.read(answer.versions(keys.len())).map(Some)
    }

    async fn rows(&self, desk: &DeskKey, epoch: u64, from: &str) -> Result<(Vec<RowKey>, Option<String>), Error> {
        let from = if from.is_empty() { "l0" } else { from };
        let call = Call::default().number(epoch).texts([from.to_owned()]);
        let answer = of_epoch(self.run(desk, &self.scripts.rows, call).await?, desk, epoch)?;
        let further = self.link.read(answer.text(0))?;
        let further = (!further.is_empty()).then(|| further.to_owned());
        Ok((self.link.read(answer.keys(1))?, further))
    }

    async fn heard(&self) -> (DeskKey, u64) {
        self.hints.next().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_reservations_are_late_and_are_short_again_after_one_that_was_not() {
        let (mut pause, lengths) = (Pause::default(), Duration::from_millis(50)..=Duration::from_millis(300));
        let late = |pause: &mut Pause, uptime| {
            pause.late(Duration::from_millis(uptime), &lengths);
            pause.until.as_millis()
        };
        assert_eq!(late(&mut pause, 1_000), 1_050);
        assert_eq!(late(&mut pause, 2_000), 2_100);
        assert_eq!(late(&mut pause, 3_000), 3_200);
        assert_eq!(late(&mut pause, 4_000), 4_300, "no longer than the last");
        pause.answered();
        assert_eq!(late(&mut pause, 5_000), 5_050);
    }
}
