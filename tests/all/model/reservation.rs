//! What the index hands out: agents held for a leg, to be proposed to the store.

use std::hash::{Hash, Hasher};

use super::rows::{AGENTS, AgentNo, Agents, Epoch, LegNo, LegState, Session};

/// Known by leg and version: asked for twice, it is the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reservation {
    /// Of the view that gave it.
    pub epoch: Epoch,
    pub leg: LegNo,
    /// The version that was matched; 0 for a leg about to be created.
    pub leg_ver: u8,
    /// Per agent the session that the view knew; 0: not named.
    pub sessions: [Session; AGENTS],
}

impl Hash for Reservation {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let [a, b, c] = self.sessions;
        hasher.write_u64(u64::from_be_bytes([0, 0, self.epoch, self.leg, self.leg_ver, a, b, c]));
    }
}

impl Reservation {
    pub fn agents(&self) -> Agents {
        LegState::Offered(self.sessions).agents()
    }

    pub fn names(&self, agent: AgentNo) -> bool {
        self.sessions[usize::from(agent)] != 0
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "leg {} v{} = {:?}", self.leg, self.leg_ver, self.agents())
    }
}
