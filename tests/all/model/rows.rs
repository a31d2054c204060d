//! Rows: a leg, an agent, a lane, each with its version, as the store has them and as the view keeps copies of them.

use std::hash::{Hash, Hasher};

/// Bounds of the arrays; a configuration uses as many as it names.
pub const LEGS: usize = 3;
pub const AGENTS: usize = 3;

/// A leg's number is its order key as well: the smaller goes first.
pub type LegNo = u8;
pub type AgentNo = u8;
/// A session epoch; 0 is none.
pub type Session = u8;
/// A number of the desk's log.
pub type Seq = u8;
pub type Epoch = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Served by the first group only. Known to every view from the start.
    Narrow,
    /// Served by both groups, best by the second. Interned by an entry of the log.
    Wide,
}

impl Lane {
    pub fn is_served_by(self, group: u8) -> bool {
        self == Lane::Wide || group == 0
    }
}

/// A set of agents, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Agents(u8);

impl Agents {
    pub const NOBODY: Agents = Agents(0);

    pub fn one(agent: AgentNo) -> Agents {
        Agents(1 << agent)
    }

    pub fn has(self, agent: AgentNo) -> bool {
        self.0 & (1 << agent) != 0
    }

    pub fn with(self, agent: AgentNo) -> Agents {
        Agents(self.0 | 1 << agent)
    }

    pub fn without(self, agent: AgentNo) -> Agents {
        Agents(self.0 & !(1 << agent))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub fn iter(self) -> impl Iterator<Item = AgentNo> {
        (0..AGENTS as AgentNo).filter(move |agent| self.has(*agent))
    }
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Absent -> Waiting -> Offered -> Held -> Done, with Offered -> Waiting when the last open offer ends without an accept.
/// CONNECTING, ACTIVE and WRAPPING are one state here: the agent is booked in all of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LegState {
    #[default]
    Absent,
    Waiting,
    /// Per agent the session to which an open offer was made; 0: none.
    Offered([Session; AGENTS]),
    Held(AgentNo),
    Done,
}

impl std::fmt::Debug for LegState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LegState::Absent => write!(f, "absent"),
            LegState::Waiting => write!(f, "WAITING"),
            LegState::Offered(_) => write!(f, "OFFERED to {:?}", self.agents()),
            LegState::Held(agent) => write!(f, "HELD by {agent}"),
            LegState::Done => write!(f, "DONE"),
        }
    }
}

impl LegState {
    /// Who is booked for it.
    pub fn agents(self) -> Agents {
        match self {
            LegState::Absent | LegState::Waiting | LegState::Done => Agents::NOBODY,
            LegState::Offered(sessions) => {
                let open = (0..AGENTS as AgentNo).filter(|agent| sessions[usize::from(*agent)] != 0);
                open.fold(Agents::NOBODY, Agents::with)
            }
            LegState::Held(agent) => Agents::one(agent),
        }
    }

    pub fn is_open(self) -> bool {
        match self {
            LegState::Absent | LegState::Done => false,
            LegState::Waiting | LegState::Offered(_) | LegState::Held(_) => true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LegRow {
    /// Dense; 0 before it is created.
    pub ver: u8,
    pub lane: Lane,
    pub excluded: Agents,
    pub state: LegState,
}

impl std::fmt::Debug for LegRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{} {:?} {:?}", self.ver, self.state, self.lane)?;
        if self.excluded.is_empty() { Ok(()) } else { write!(f, " without {:?}", self.excluded) }
    }
}

/// Rows are hashed some ten million times a minute: as one word each.
impl Hash for LegRow {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let state = match self.state {
            LegState::Absent => 0,
            LegState::Waiting => 1,
            LegState::Done => 2,
            LegState::Held(agent) => 3 | u32::from(agent) << 8,
            LegState::Offered([a, b, c]) => u32::from_be_bytes([a, b, c, 4]),
        };
        let rest = u32::from_be_bytes([0, self.ver, self.lane as u8, self.excluded.0]);
        hasher.write_u64(u64::from(state) << 32 | u64::from(rest));
    }
}

impl Hash for AgentRow {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u32(u32::from_be_bytes([self.ver, self.group, self.session, u8::from(self.on_duty)]));
    }
}

impl LegRow {
    /// A leg that is not known, or not any more.
    pub const ABSENT: LegRow = LegRow { ver: 0, lane: Lane::Narrow, excluded: Agents::NOBODY, state: LegState::Absent };

    pub fn waits(&self) -> bool {
        self.state == LegState::Waiting
    }
}

/// Load is not in it: it follows from the legs held.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentRow {
    /// Dense; 0: not known.
    pub ver: u8,
    /// 0 serves both lanes, 1 the wide one only.
    pub group: u8,
    pub session: Session,
    pub on_duty: bool,
}

impl std::fmt::Debug for AgentRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let off = if self.on_duty { "" } else { " off" };
        write!(f, "v{} group {} session {}{off}", self.ver, self.group, self.session)
    }
}

/// One absolute versioned state: what an entry of the log carries here, and what `advance` and `load` send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    Leg(LegNo, LegRow),
    Agent(AgentNo, AgentRow),
    /// The wide lane was interned, with what serves it.
    Lane,
}

/// All rows of a desk at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    pub legs: [LegRow; LEGS],
    pub agents: [AgentRow; AGENTS],
    pub wide: bool,
}

impl Rows {
    pub fn put(&mut self, row: Row) {
        match row {
            Row::Leg(leg, row) => self.legs[usize::from(leg)] = row,
            Row::Agent(agent, row) => self.agents[usize::from(agent)] = row,
            Row::Lane => self.wide = true,
        }
    }

    /// The row that `row` is a state of, as it is here.
    pub fn same(&self, row: Row) -> Row {
        match row {
            Row::Leg(leg, _) => Row::Leg(leg, self.leg(leg)),
            Row::Agent(agent, _) => Row::Agent(agent, self.agent(agent)),
            Row::Lane => Row::Lane,
        }
    }

    pub fn leg(&self, leg: LegNo) -> LegRow {
        self.legs[usize::from(leg)]
    }

    pub fn agent(&self, agent: AgentNo) -> AgentRow {
        self.agents[usize::from(agent)]
    }

    /// How many legs have the agent booked.
    pub fn load(&self, agent: AgentNo) -> usize {
        self.legs.iter().filter(|leg| leg.state.agents().has(agent)).count()
    }
}
