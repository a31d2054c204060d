//! The slot in Redis: the desk's view with its own cursor, or what is loaded of a new one.

use super::config::{Config, Mutant};
use super::reservation::Reservation;
use super::rows::{AGENTS, AgentNo, AgentRow, Agents, Epoch, LEGS, Lane, LegNo, LegRow, LegState, Row, Rows, Seq};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Redis has nothing: every script answers EPOCH.
    Empty,
    Loading(Loading),
    Live(View),
}

/// A view of a new epoch before its flip. The loader's token is its epoch here: each loader raises its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loading {
    pub epoch: Epoch,
    pub pages: u8,
    pub rows: Rows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    pub epoch: Epoch,
    pub cursor: Seq,
    /// h1 of the flip, until everything that waits was matched.
    pub unmatched: Option<Seq>,
    /// Open legs and all agents; a leg that is not here is absent.
    pub rows: Rows,
    pub holds: [Option<Hold>; LEGS],
    /// Without a heartbeat for a while, which only the view knows: no new offers.
    pub suspects: Agents,
    /// A leg was taken out by nobody's doing (a fault): the invariants of the view are suspended until it is rebuilt.
    pub is_rotten: bool,
}

/// A reservation under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    pub reservation: Reservation,
    /// The head seen by the transaction that refused it.
    pub refused: Option<Seq>,
}

impl Slot {
    pub fn epoch(&self) -> Epoch {
        match self {
            Slot::Empty => 0,
            Slot::Loading(loading) => loading.epoch,
            Slot::Live(view) => view.epoch,
        }
    }

    pub fn live(&self) -> Option<&View> {
        match self {
            Slot::Empty | Slot::Loading(_) => None,
            Slot::Live(view) => Some(view),
        }
    }

    /// The epoch comes first in every script: a mismatch changes nothing.
    pub fn at(&mut self, config: &Config, epoch: Epoch) -> Option<&mut View> {
        match self {
            Slot::Empty | Slot::Loading(_) => None,
            Slot::Live(view) => Some(view).filter(|view| view.epoch == epoch || config.has(Mutant::NoEpochCheck)),
        }
    }
}

/// Rows without any legs, agents or interned lanes.
pub const NOTHING: Rows = Rows {
    legs: [LegRow::ABSENT; LEGS],
    agents: [AgentRow { ver: 0, group: 0, session: 0, on_duty: false }; AGENTS],
    wide: false,
};

impl View {
    pub fn new(epoch: Epoch, cursor: Seq, rows: Rows) -> View {
        View { epoch, cursor, unmatched: None, rows, holds: [None; LEGS], suspects: Agents::NOBODY, is_rotten: false }
    }

    pub fn hold(&self, leg: LegNo) -> Option<Hold> {
        self.holds[usize::from(leg)]
    }

    /// Puts a state into the view. A state of a higher version settles the reservation of its leg.
    pub fn put(&mut self, config: &Config, row: Row) {
        if !put(config, &mut self.rows, row) {
            return;
        }
        if let Row::Leg(leg, row) = row {
            let hold = &mut self.holds[usize::from(leg)];
            *hold = hold.filter(|hold| row.ver <= hold.reservation.leg_ver);
        }
    }

    /// What an agent carries in this view: legs and reservations, a set and never a counter.
    fn load(&self, config: &Config, agent: AgentNo) -> usize {
        let carries = |leg: usize| {
            let booked = self.rows.legs[leg].state.agents();
            let counts = !config.has(Mutant::FirstOfferHolds) || booked.iter().next() == Some(agent);
            booked.has(agent) && counts || self.holds[leg].is_some_and(|hold| hold.reservation.names(agent))
        };
        (0..LEGS).filter(|leg| carries(*leg)).count()
    }

    pub fn is_free(&self, config: &Config, agent: AgentNo) -> bool {
        let is_live = self.rows.agent(agent).on_duty && !self.suspects.has(agent);
        is_live && self.load(config, agent) < config.capacity
    }

    /// Whether lane and exclusions let the agent take this leg.
    pub fn may_take(&self, config: &Config, row: &LegRow, agent: AgentNo) -> bool {
        let is_known = row.lane == Lane::Narrow || self.rows.wide;
        let serves = row.lane.is_served_by(self.rows.agent(agent).group) || config.has(Mutant::LanesIgnored);
        is_known && serves && !row.excluded.has(agent)
    }

    /// Waits, and nobody is held for it.
    pub fn stands_in_line(&self, leg: LegNo) -> bool {
        self.rows.leg(leg).waits() && self.hold(leg).is_none()
    }

    /// Holds the best free agents for a leg, at most as many as it wants: of the wide lane's own group first, then by number.
    pub fn choose(&mut self, config: &Config, leg: LegNo, row: &LegRow) -> Option<Reservation> {
        let gives_up = |agent: AgentNo| {
            let bars = |leg: LegNo| self.stands_in_line(leg) && self.rows.leg(leg).excluded.has(agent);
            config.has(Mutant::MoreIsLost) && (0..leg).any(bars)
        };
        let fits =
            |agent: &AgentNo| self.is_free(config, *agent) && self.may_take(config, row, *agent) && !gives_up(*agent);
        let group = |agent: &AgentNo| self.rows.agent(*agent).group;
        let mut free: Vec<AgentNo> = (0..config.agents).filter(fits).collect();
        free.sort_by_key(|agent| std::cmp::Reverse(group(agent)));
        free.truncate(usize::from(config.want[usize::from(leg)]));
        let mut sessions = [0; AGENTS];
        free.iter().for_each(|agent| sessions[usize::from(*agent)] = self.rows.agent(*agent).session);
        if free.is_empty() {
            return None;
        }
        let reservation = Reservation { epoch: self.epoch, leg, leg_ver: row.ver, sessions };
        self.holds[usize::from(leg)] = Some(Hold { reservation, refused: None });
        Some(reservation)
    }
}

/// The version gate; says whether the state entered. Closed legs are removed: no state older than the cursor can enter,
/// so there are no tombstones.
pub fn put(config: &Config, rows: &mut Rows, row: Row) -> bool {
    let (known, new) = match (rows.same(row), row) {
        (Row::Leg(_, known), Row::Leg(_, new)) => (known.ver, new.ver),
        (Row::Agent(_, known), Row::Agent(_, new)) => (known.ver, new.ver),
        _ => (0, 1),
    };
    if new <= known && !config.has(Mutant::NoVersionGate) {
        return false;
    }
    match row {
        Row::Leg(leg, row) if row.state == LegState::Done => rows.put(Row::Leg(leg, LegRow::ABSENT)),
        Row::Leg(..) | Row::Agent(..) | Row::Lane => rows.put(row),
    }
    true
}
