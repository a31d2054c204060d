//! What a run is about: the desk, how much may happen at once, how often each thing may, and the bug planted, if any.

use super::rows::{AGENTS, AgentNo, AgentRow, Agents, LEGS, Lane, LegNo, LegRow, LegState, Rows};

/// A bug, planted at the place that its comment names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Failover: the view goes back and the cursor, kept elsewhere, does not.
    CursorOutsideRedis,
    /// W of a proposal does not look at the leg's version and state.
    NoVersionGuard,
    /// W does not look at the room the agent has.
    NoCapacityGuard,
    /// W does not look at the agent's session.
    NoSessionGuard,
    /// W does not look whether the agent is READY.
    NoReadyGuard,
    /// W does not look whether the agent's group still serves the leg's lane: the three guards of the design page alone.
    NoFitGuard,
    /// A new session leaves the open offers of the old one.
    SessionKeepsOffers,
    /// `advance` applies whatever its `from`.
    NoCursorCheck,
    /// `advance` takes states older than those it has.
    NoVersionGate,
    /// `reserve` enqueues the leg when it finds nobody.
    ReserveEnqueues,
    /// `flip` sets the cursor to the head: nothing is tailed from h0.
    FlipAtHead,
    /// Nobody sweeps lapsed reservations.
    NoExpire,
    /// `refuse` sends the rows that the refusing transaction read, and they enter at the cursor of the moment.
    RefusalWithRows,
    /// V1: `flip` leaves no mark `unmatched`.
    NoUnmatchedMark,
    /// V2: `load` and `flip` do not count pages.
    NoPageCount,
    /// V3: the mark is there, and `advance` and `reserve` hand out nevertheless.
    MatchWhileUnmatched,
    /// The same for `beat`, which the design page does not name.
    BeatMatchesUnmatched,
    /// V4: `reserve` answers below the highest seq its replica knows.
    ReserveBelowHead,
    /// `load` and `flip` do not look at the token.
    NoToken,
    /// No script but these two looks at the epoch.
    NoEpochCheck,
    /// `match` clears the mark after one call, whatever still waits.
    MatchClearsEarly,
    /// `match` does not wait for the cursor to reach h1.
    MatchBeforeHead,
    /// Parallel offers: the view counts only the first of them as held.
    FirstOfferHolds,
    /// Parallel offers: a decline that leaves another offer open does not raise the leg's version.
    DeclineKeepsVersion,
    /// An exclusion lapses without an entry in the log and without a version.
    SilentLapse,
    /// Nobody lifts an exclusion when all who are on duty are excluded.
    NeverLifted,
    /// W of a lift does not look again whether nobody else is on duty; whoever decided it read that some time before.
    LiftFromRoster,
    /// An agent who became free looks past no head that excludes the agent, and whoever is told MORE has died.
    MoreIsLost,
    /// A lane that becomes known is not matched with the legs that wait in it already.
    LaneArrivesUnmatched,
    /// Groups are not looked at: whoever is free takes what waits.
    LanesIgnored,
    /// Anti-entropy compares whatever it reads, wherever the cursor is.
    DigestAcrossCursors,
    /// Nobody compares digests.
    NoAntiEntropy,
}

/// How often each thing may still happen. Part of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub declines: u8,
    pub cancels: u8,
    /// New sessions.
    pub sessions: u8,
    /// Agents who go off duty (BREAK, OFFLINE, LOST).
    pub leaves: u8,
    /// Exclusions that end by their time.
    pub lapses: u8,
    /// Agents whose profile loses the narrow lane.
    pub regroups: u8,
    /// Legs that move from the narrow lane to the wide one.
    pub widenings: u8,
    /// Requests of `reserve` that arrive after their caller gave up.
    pub late_reserves: u8,
    /// Calls of scripts that happen twice: sent again because the answer was lost, or late.
    pub repeats: u8,
    /// Sessions that miss their heartbeats and beat again.
    pub suspects: u8,
    /// Failovers to an earlier prefix.
    pub failovers: u8,
    /// Two masters at once.
    pub splits: u8,
    /// Times that Redis loses everything.
    pub losses: u8,
    pub rebuilds: u8,
    /// A leg that vanishes from the view by nobody's doing: what anti-entropy is for.
    pub rots: u8,
    /// Passes of anti-entropy beside everything else.
    pub digests: u8,
}

impl Budget {
    pub const NONE: Budget = Budget {
        declines: 0,
        cancels: 0,
        sessions: 0,
        leaves: 0,
        lapses: 0,
        regroups: 0,
        widenings: 0,
        late_reserves: 0,
        repeats: 0,
        suspects: 0,
        failovers: 0,
        splits: 0,
        losses: 0,
        rebuilds: 0,
        rots: 0,
        digests: 0,
    };
}

#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub legs: LegNo,
    pub agents: AgentNo,
    pub lanes: [Lane; LEGS],
    /// Offers at once.
    pub want: [u8; LEGS],
    pub excluded: [Agents; LEGS],
    pub groups: [u8; AGENTS],
    /// Legs that an agent may hold.
    pub capacity: usize,
    /// Not on duty until a new session.
    pub offline: Agents,
    /// The wide lane is interned at the start.
    pub wide: bool,

    /// Tasks at once, over all replicas. Any task may stop for ever or go on at any time.
    pub actors: usize,
    /// Those of them that tail.
    pub tailers: usize,
    /// The tailer knows the cursor before it reads the log; else both are one step.
    pub tail_in_two_steps: bool,
    /// Tickets may be created with R.
    pub with_reserve: bool,
    /// Tickets may be created without R.
    pub without_reserve: bool,
    /// A decline excludes who declined.
    pub decline_excludes: bool,
    /// Script calls while there are two masters.
    pub split_calls: u8,
    /// A rebuild may start though the view is sound.
    pub idle_rebuilds: bool,
    /// Legs that one call of `match` serves.
    pub match_limit: usize,
    /// One client makes one ticket after the other, nobody stops, no reservation lapses; overtakes are looked for.
    pub serial: bool,

    pub budget: Budget,
    pub mutant: Option<Mutant>,
}

impl Config {
    /// Plain legs and agents in one lane, no budget for anything.
    pub fn of(legs: LegNo, actors: usize) -> Config {
        Config {
            legs,
            agents: 2,
            lanes: [Lane::Narrow; LEGS],
            want: [1; LEGS],
            excluded: [Agents::NOBODY; LEGS],
            groups: [0; AGENTS],
            capacity: 1,
            offline: Agents::NOBODY,
            wide: true,
            actors,
            tailers: 1,
            tail_in_two_steps: false,
            with_reserve: true,
            without_reserve: true,
            decline_excludes: false,
            split_calls: 0,
            idle_rebuilds: false,
            match_limit: 1,
            serial: false,
            budget: Budget::NONE,
            mutant: None,
        }
    }

    pub fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The desk before the first ticket.
    pub fn rows(&self) -> Rows {
        let leg =
            |at: usize| LegRow { ver: 0, lane: self.lanes[at], excluded: self.excluded[at], state: LegState::Absent };
        let agent = |at: usize| match AgentNo::try_from(at) {
            Ok(agent) if agent < self.agents => {
                AgentRow { ver: 1, group: self.groups[at], session: 1, on_duty: !self.offline.has(agent) }
            }
            _ => AgentRow::default(),
        };
        Rows { legs: std::array::from_fn(leg), agents: std::array::from_fn(agent), wide: self.wide }
    }
}
