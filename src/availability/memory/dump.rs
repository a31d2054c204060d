//! A view written out whole and in one order, to be compared with another one.

use super::agents::{Lease, Work};
use super::free::Spot;
use super::lines::Line;
use super::view::View;
use crate::availability::{AgentView, LegView, Reservation, Serves};
use crate::domain::id::{AgentNo, ConnectorId, LegId};
use crate::domain::requirement::Channel;
use crate::routing::order::OrderKey;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    pub cursor: u64,
    pub unmatched: Option<u64>,
    /// By lane, then group.
    pub serves: Vec<Serves>,
    pub away: Vec<ConnectorId>,
    pub agents: Vec<AgentDump>,
    pub legs: Vec<LegView>,
    pub lines: Vec<(Line, OrderKey)>,
    pub free: Vec<Spot>,
    /// With the head that each refused one waits for.
    pub reservations: Vec<(Reservation, Option<u64>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentDump {
    pub number: AgentNo,
    /// `None`: only legs have named this agent.
    pub view: Option<AgentView>,
    pub lease: Lease,
    pub held: Vec<(LegId, Channel, u16)>,
    pub reserved: Vec<(LegId, Channel, u16)>,
}

impl View {
    pub(super) fn dump(&self) -> Dump {
        self.check();
        let work = |work: &Work| work.iter().collect();
        let agents = self.agents.iter().map(|(number, agent)| AgentDump {
            number: *number,
            view: agent.view.clone(),
            lease: agent.lease,
            held: work(&agent.held),
            reserved: work(&agent.reserved),
        });
        let legs = self.legs.iter().map(|(id, leg)| LegView { id: *id, ver: leg.ver, place: leg.place.clone() });
        Dump {
            cursor: self.cursor,
            unmatched: self.unmatched,
            serves: self.fits.iter().collect(),
            away: self.away.iter().cloned().collect(),
            agents: agents.collect(),
            legs: legs.collect(),
            lines: self.lines.iter().collect(),
            free: self.free.iter().collect(),
            reservations: self.holds.values().map(|hold| (hold.reservation.clone(), hold.refused)).collect(),
        }
    }

    /// What is kept twice must be the same twice.
    fn check(&self) {
        for channel in Channel::ALL {
            let with_room = self.free.iter().filter(|spot| spot.room & channel.bit() != 0);
            let mut by_key: Vec<_> = with_room.map(|spot| (spot.key, spot.group)).collect();
            by_key.sort_unstable();
            assert!(self.free.iter_by_key(channel).eq(by_key), "the two orders of free agents differ");
        }
        let mut by_group: Vec<_> = self.fits.iter_by_group().map(|(group, lane)| (lane, group)).collect();
        by_group.sort_unstable();
        assert!(
            self.fits.iter().map(|serves| (serves.lane, serves.group)).eq(by_group),
            "the two directions of who serves what differ"
        );
        let mut lines: Vec<_> = self.legs.values().filter_map(|leg| Some((leg.line?, leg.waiting()?.key))).collect();
        lines.sort_unstable();
        assert!(self.lines.iter().eq(lines), "a leg stands elsewhere than it thinks");
        let mut heads: Vec<_> = self.lines.firsts().collect();
        heads.sort_unstable();
        assert!(self.lines.heads().iter().copied().eq(heads), "a lane's head is not its first leg");
        let mut deadlines: Vec<_> = self.holds.iter().map(|(leg, hold)| (hold.reservation.expire_time, *leg)).collect();
        deadlines.sort_unstable();
        assert!(self.deadlines.iter().copied().eq(deadlines), "a reservation has lost its deadline");
    }
}
