//! The availability port: who is free, what waits, and short reservations. A view of the desk's log that proposes; the store
//! decides.
//!
//! After every call that changes it, an index keeps one property: *no waiting leg beside an eligible free agent*, except while
//! the view is `unmatched` after a rebuild. Everything it hands out is a [`Reservation`]: the agents in it are held for that
//! leg until a newer state of the leg arrives through [`Availability::advance`], [`Availability::refuse`] frees it, or it
//! lapses. The index keeps no clock: `now` is given to it.
//!
//! # Who gets what
//!
//! A call first changes the view, whole, and then matches, as if all waiting legs were gone through in the order of their keys
//! and each took the best agents still free: by the rank of their group in the lane, then the smaller load (percent of the
//! fuller pool, reserved work counted), then the earlier `last_accept`, then the smaller number. The order in which a change
//! names things does not matter; it names each agent, leg and connector at most once.
//!
//! - A leg *waits* while its state says so, nothing is reserved for it, and its connector is not away. It stands in the line
//!   of its lane, or, while it prefers somebody who is known, on duty and not excluded, in a line for that agent alone, who
//!   takes it whatever lane and group say. She may be suspect or full: the leg waits for her until the log says otherwise.
//! - An agent is *free* for a channel while on duty, with a live lease, with the channel not blocked, and with room in its
//!   pool and below its maximum beside what is held and reserved; never for DEFERRED work while a phone leg is held or reserved.
//! - Heads of a lane that exclude an agent are looked past without a depth limit. Whoever gave up after some heads would leave
//!   the next leg beside a free agent until something else moved; the look is bounded by what that agent lately refused.
//! - [`Trigger::LegArrived`] says that the leg entered its line in this very call: it has a new state, moved from one line to
//!   another, its reservation was refused or lapsed, its connector came back; also in `reserve` and `rematch`. All other
//!   matches are [`Trigger::AgentFreed`].
//! - What an agent holds follows from the legs' states alone, and is kept though the agent is not known yet, or deleted.

pub mod chosen;
pub mod memory;
pub mod redis;
pub mod rows;

use std::future::Future;

use crate::domain::id::{AgentNo, ConnectorId, DeskKey, GroupNo, LaneNo, LegId};
use crate::domain::record::{Trigger, Unfit};
use crate::domain::requirement::Channel;
use crate::domain::time::{Span, Time};
use crate::routing::lanes::Rank;
use crate::routing::order::OrderKey;

/// How long a reservation holds its agents.
pub const RESERVATION: Span = Span::from_secs(1);
/// Legs that a rebuild matches in one call.
pub const PAGE: usize = 256;
/// Agents that a reservation names as held back, out of the first so many of the desk who are (by number).
pub const HELD_BACK: usize = 64;
pub const HELD_BACK_LOOKED_AT: usize = 256;
/// A session without a heartbeat for this long gets no new offers.
pub const SUSPECT_AFTER: Span = Span::from_secs(20);
/// A session without a heartbeat for this long is lost. One whole lease, given anew after a rebuild.
pub const LOST_AFTER: Span = Span::from_secs(30);
/// When the sweeper itself slept longer than this, it renews all leases instead of lapsing them: nobody could have beaten.
pub const SWEEP_GAP: Span = Span::from_secs(5);

/// An agent as the index sees it. Load is not in it: it follows from the legs held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    pub number: AgentNo,
    /// A view with a lower version than the one known is ignored; one of the same version takes its place.
    pub ver: u64,
    pub group: GroupNo,
    /// Session epoch; 0: no session. Another one than before starts a whole lease; the same one keeps its lease, suspect and
    /// lost included.
    pub session: u64,
    /// READY, connected and answering. `false`: nothing is offered, and legs that wait for this agent alone go to their lanes;
    /// `true` again: those that still prefer the agent come back.
    pub on_duty: bool,
    /// Points in the live and the deferred pool.
    pub pools: [u16; 2],
    /// Per channel, in the order of [`Channel::ALL`].
    pub weights: [u16; 5],
    pub maxima: [u16; 5],
    /// Mask of [`Channel::bit`]: paused, unreachable or busy elsewhere.
    pub blocked: u8,
    /// The earlier, the sooner chosen among equals; zero: never had any work.
    pub last_accept: Time,
    /// Removed for good: forgotten like a closed leg, its number is not used again.
    pub deleted: bool,
}

/// A leg as the index sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegView {
    pub id: LegId,
    /// A view with a lower version than the one known is ignored, one that says nothing new too. A higher one settles the
    /// leg's reservation, and so does the first state of a leg for which agents were held beforehand. One of the same version
    /// takes the place of the state; as long as it waits, a reservation under way goes on.
    pub ver: u32,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Waiting(Waiting),
    /// Open, but not to be matched now (paused after failures).
    Idle,
    /// Booked for these agents, from offer to end of wrap-up.
    Held {
        channel: Channel,
        by: Vec<Booking>,
    },
    /// Over: the leg is forgotten.
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub lane: LaneNo,
    /// Ends in the leg's own id.
    pub key: OrderKey,
    /// The same for all legs of a lane.
    pub channel: Channel,
    /// Agents to reserve at once, at least 1. Fewer are reserved when fewer are free, and then the leg does not wait for more.
    pub want: u8,
    /// Sorted. Never offered this leg.
    pub excluded: Vec<AgentNo>,
    /// Waits for this agent alone, one agent whatever `want` says. Ignored while that agent is unknown, not on duty or excluded.
    pub prefer: Option<AgentNo>,
    /// Set on LIVE legs: not matched while this connector is away. One that was never named is not away.
    pub connector: Option<ConnectorId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Booking {
    pub agent: AgentNo,
    /// Points in the channel's pool.
    pub weight: u16,
}

/// How a lane's agents are tried: a group that serves it, and its rank. Pairs that do not fit are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serves {
    pub lane: LaneNo,
    pub group: GroupNo,
    pub rank: Rank,
}

/// What the log brought between two cursors: absolute states, read at or after the higher one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Added or ranked anew. Applied first; legs of the lane that wait already are matched.
    pub serves: Vec<Serves>,
    /// Applied after `serves`. Legs that wait there still, wait on.
    pub retired_lanes: Vec<LaneNo>,
    pub retired_groups: Vec<GroupNo>,
    /// Connectors and whether each is away.
    pub connectors: Vec<(ConnectorId, bool)>,
    pub agents: Vec<AgentView>,
    pub legs: Vec<LegView>,
}

/// A leg about to be created, for which an agent is wanted beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub leg: LegId,
    pub waiting: Waiting,
}

/// Agents held for a leg. Identified by leg and version: asked for twice, it is the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub leg: LegId,
    /// The version of the leg that was matched; 0 for a leg about to be created.
    pub leg_ver: u32,
    /// In order of choice, with the session each had.
    pub agents: Vec<(AgentNo, u64)>,
    pub trigger: Trigger,
    /// Legs in the line of the leg's lane with a smaller key at that moment: those that exclude the agent. Legs that wait for
    /// one agent alone, or for their connector, stand in no lane's line.
    pub ahead: u32,
    /// Agents, by number, whose group serves the lane, who are not excluded and have room on the channel as far as the log
    /// knows, but who were `Suspect` (or lost already), else `Reserved`. At most [`HELD_BACK`] out of [`HELD_BACK_LOOKED_AT`].
    pub held_back: Vec<(AgentNo, Unfit)>,
    /// Percent of the fuller pool, as it was counted, of fitting agents with reservations under way. At most 64.
    pub loads: Vec<(AgentNo, u16)>,
    /// The cursor at which it was chosen.
    pub cursor: u64,
    pub expire_time: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// Applied; matching brought these.
    Applied { cursor: u64, reservations: Vec<Reservation> },
    /// The view is at `to` or beyond: done already.
    Passed,
    /// The view is before `from`: nothing changed; read the log from here.
    Behind { cursor: u64 },
}

/// Sessions whose lease ended. By that nobody becomes free: there is nothing to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lapsed {
    /// Newly without a heartbeat for [`SUSPECT_AFTER`].
    pub suspect: Vec<AgentNo>,
    /// Without a heartbeat for [`LOST_AFTER`], with the session epoch.
    pub lost: Vec<(AgentNo, u64)>,
}

/// One agent's heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    pub agent: AgentNo,
    pub session: u64,
}

/// What a row of a view is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    Leg(LegId),
    Agent(AgentNo),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The desk's view is of another epoch, or there is none yet: it must be (re)built.
    #[error("the availability view of desk {desk:?} is not of epoch {epoch}")]
    WrongEpoch { desk: DeskKey, epoch: u64 },
    /// A page out of order, a foreign token, or pages missing at the flip: begin again with a new epoch.
    #[error("the rebuild was refused: {why}")]
    RebuildRefused { why: &'static str },
    /// Nobody answers; nothing is known to have changed.
    #[error("the availability index does not answer")]
    Away,
}

/// The index. Every call names the desk and its epoch; a call of another epoch changes nothing ([`Error::WrongEpoch`]).
pub trait Availability: Send + Sync + 'static {
    /// Holds the best free agents for legs about to be created, or nobody. Never enqueues. The asks are served in the order of
    /// their keys and answered in the order given. Answers nobody for every ask while the cursor is below `seen` (the caller's
    /// own last write must be in the view, else a serial client overtakes itself: one that goes from replica to replica may,
    /// for its answers do not wait for the view) and while the view is unmatched; nobody for
    /// a lane that no group serves, for a connector that is away, and when a waiting leg the agent could take has a smaller key
    /// (the property of the index says that there is none).
    ///
    /// Twice: the same reservation, with the time it had, until it is settled, refused or lapsed; then a new one. Late, when
    /// the leg is in the view already: nobody, since it is served from there.
    fn reserve(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        asks: Vec<Ask>,
        now: Time,
    ) -> impl Future<Output = Result<Vec<Option<Reservation>>, Error>> + Send;

    /// Moves the view over the log from `from` to `to`. Applies when `from <= cursor < to`, and then matches every leg that
    /// waits and every agent that became free, unless the view is unmatched. Chosen legs leave the waiting set until settled,
    /// refused or lapsed. Refused reservations whose head is reached are freed before the matching.
    ///
    /// Twice: [`Advanced::Passed`]. Out of order: [`Advanced::Behind`], nothing changed; drop it and read the log from there.
    /// Concurrent advances over overlapping intervals are harmless in either order: states are absolute and gated by version.
    fn advance(
        &self,
        desk: &DeskKey,
        epoch: u64,
        from: u64,
        to: u64,
        change: Change,
        now: Time,
    ) -> impl Future<Output = Result<Advanced, Error>> + Send;

    /// The store refused the proposal of this reservation in a transaction that saw `head`. The hold is kept until the cursor
    /// has reached `head` (the cause lies at or below it), or it lapses; then the leg waits and the agents are free again. At a
    /// cursor that is there already, at once. Unknown, settled, lapsed, or reserved at another version: nothing happens. Twice:
    /// the higher head counts. Answers what was matched, perhaps the same leg again.
    fn refuse(
        &self,
        desk: &DeskKey,
        epoch: u64,
        leg: LegId,
        leg_ver: u32,
        head: u64,
        now: Time,
    ) -> impl Future<Output = Result<Vec<Reservation>, Error>> + Send;

    /// Lapses up to `limit` reservations whose time has come (`expire_time <= now`), refused ones too, over all desks, the
    /// earliest of a desk first: agents freed, legs waiting and matched again. Answers what was *matched*, which is to be
    /// proposed; not what lapsed. A proposal that is still under way for a lapsed one is settled by the guards of the store.
    fn expire(
        &self,
        limit: usize,
        now: Time,
    ) -> impl Future<Output = Result<Vec<(DeskKey, Reservation)>, Error>> + Send;

    /// Renews leases; never shortens one. A suspect session that beats is matched again. Answers, for each beat, whether the
    /// session is the agent's current one, and what was matched. A session that was named as lost is not current any more, also
    /// before the log says so: it must be ended and begun anew.
    fn beat(
        &self,
        desk: &DeskKey,
        epoch: u64,
        beats: &[Beat],
        now: Time,
    ) -> impl Future<Output = Result<(Vec<bool>, Vec<Reservation>), Error>> + Send;

    /// Sweeps the leases of all desks; names by number whoever newly is suspect, and whoever is lost, again with every sweep until
    /// the log ends the session: the one who was told may be gone. A desk whose last sweep was longer
    /// than [`SWEEP_GAP`] ago, or that was not swept since its flip, lapses nobody: all leases start anew, suspect sessions
    /// staying suspect until they beat.
    fn lost(&self, now: Time) -> impl Future<Output = Result<Vec<(DeskKey, Lapsed)>, Error>> + Send;

    /// Starts a view of a new epoch under a loader's token. The old epoch answers nothing from now on. Refused unless the epoch
    /// is higher than any begun before. Twice with the same token: the load starts again from page 0.
    fn begin(
        &self,
        desk: &DeskKey,
        epoch: u64,
        token: u128,
        now: Time,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Fills page `page` (from 0) of the new view; refused unless it is the next, so also when it comes twice. Matches nothing.
    /// Pages may come in any order of rows, and hold newer rows than their neighbours: states are gated by version.
    fn load(
        &self,
        desk: &DeskKey,
        token: u128,
        page: u32,
        change: Change,
        now: Time,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Makes the new view the desk's, with cursor `cursor`; refused unless exactly `pages` pages are there, so also when it
    /// comes twice. Until the cursor reaches `head` and [`Availability::rematch`] has gone through, nothing is matched.
    fn flip(
        &self,
        desk: &DeskKey,
        token: u128,
        pages: u32,
        cursor: u64,
        head: u64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Matches up to [`PAGE`] legs of an unmatched view in order-key order. `true`: nothing is left, the mark is cleared; the
    /// same answer, and no reservation, when there was no mark. Below the head of the flip: `false`, and nothing is matched.
    fn rematch(
        &self,
        desk: &DeskKey,
        epoch: u64,
        now: Time,
    ) -> impl Future<Output = Result<(Vec<Reservation>, bool), Error>> + Send;

    /// Whether the caller is to compare the view with the log: `true` once in `every`, whoever asks first then.
    fn claim(
        &self,
        desk: &DeskKey,
        epoch: u64,
        every: Span,
        now: Time,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// The versions of up to [`PAGE`] rows, in the order given; `None` for a row that is not there, an agent whom only legs have
    /// named among them. No answer while the cursor is below `seen`.
    fn versions(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        keys: &[RowKey],
    ) -> impl Future<Output = Result<Option<Vec<Option<u64>>>, Error>> + Send;

    /// A bounded part of the rows that are there, and where to go on; from an empty text on to no text at all. A row that is
    /// there all the while is named, perhaps twice; one that comes or goes meanwhile may be.
    fn rows(
        &self,
        desk: &DeskKey,
        epoch: u64,
        from: &str,
    ) -> impl Future<Output = Result<(Vec<RowKey>, Option<String>), Error>> + Send;

    /// Waits until somebody, perhaps this process, says that it has moved a desk's view, and answers how far that desk's log is at
    /// least. A hint: it may be missing, late, or repeated, and never comes where no other process uses the index. One caller at a
    /// time; what comes while nobody waits may be lost. May be dropped and called again.
    fn heard(&self) -> impl Future<Output = (DeskKey, u64)> + Send;
}
