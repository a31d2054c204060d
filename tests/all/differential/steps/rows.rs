//! Random states of agents, legs, lanes and connectors.

use super::*;

impl Generator {
    /// Every agent, half of the legs, most of the tables.
    pub(super) fn world(&mut self) -> Change {
        let agents = (0..self.size.agents).map(|number| self.agent(number, None)).collect();
        let legs = (0..self.size.legs / 2).map(|number| self.leg(number, None)).collect();
        let mut serves = vec![];
        // The last lane stays unknown, until a change adds it.
        for lane in 0..self.size.lanes - 1 {
            let fitting = 20 + self.chance.below(70);
            for group in 0..self.size.groups {
                if self.chance.percent(fitting) {
                    serves.push(self.serves(lane, group));
                }
            }
        }
        Change { agents, legs, serves, ..Change::default() }
    }

    /// What a view holds, as pages; some rows are newer than the page's neighbours, some legs are gone.
    pub(super) fn rows(&mut self, dump: &Dump) -> Vec<Change> {
        let tables = Change {
            serves: dump.serves.clone(),
            connectors: dump.away.iter().map(|connector| (connector.clone(), true)).collect(),
            agents: dump.agents.iter().filter_map(|agent| agent.view.clone()).collect(),
            ..Change::default()
        };
        let legs: Vec<LegView> = dump.legs.iter().filter(|_| !self.chance.percent(10)).cloned().collect();
        let mut pages = vec![Change { legs, ..Change::default() }, tables];
        if self.chance.percent(50) {
            pages.push(self.change(dump));
        }
        pages
    }

    pub(super) fn change(&mut self, dump: &Dump) -> Change {
        let mut change = Change::default();
        for number in {
            let count = self.chance.below(4);
            self.chance.some_of(count, self.size.legs)
        } {
            change.legs.push(self.leg(number, dump.legs.iter().find(|leg| leg.id == leg_id(number))));
        }
        for number in {
            let count = self.chance.below(3);
            self.chance.some_of(count, self.size.agents)
        } {
            let known = dump.agents.iter().find(|agent| agent.number == AgentNo(number));
            change.agents.push(self.agent(number, known.and_then(|agent| agent.view.as_ref())));
        }
        if self.chance.percent(20) {
            let count = self.chance.below(4);
            for lane in self.chance.some_of(count, self.size.lanes) {
                let group = self.chance.below(self.size.groups);
                change.serves.push(self.serves(lane, group));
            }
        }
        if self.chance.percent(4) {
            change.retired_lanes.push(LaneNo(self.chance.below(self.size.lanes)));
        }
        if self.chance.percent(2) {
            change.retired_groups.push(GroupNo(self.chance.below(self.size.groups)));
        }
        if self.chance.percent(20) {
            let away = self.chance.percent(45);
            change.connectors.push((connector(self.chance.below(3)), away));
        }
        change
    }

    /// Few different ranks, so that agent keys decide often.
    fn serves(&mut self, lane: u32, group: u32) -> Serves {
        let rank = Rank { tier_surplus: self.chance.below(3) as u8, ..Rank::default() };
        Serves { lane: LaneNo(lane), group: GroupNo(group), rank }
    }

    fn agent(&mut self, number: u32, known: Option<&AgentView>) -> AgentView {
        let ver = match (known, self.chance.below(10)) {
            (None, _) => 2,
            (Some(known), 0) => known.ver - 1,
            (Some(known), 1) => known.ver,
            (Some(known), _) => known.ver + 1,
        };
        let before = known.map_or(1, |known| known.session);
        let session = match self.chance.below(10) {
            0 => 0,
            1 | 2 => before + 1,
            _ => before.max(1),
        };
        let pools = [[100, 100], [100, 100], [40, 20], [0, 100], [70, 0]];
        let weights = Channel::ALL.map(|channel| channel.default_weight());
        let maxima = Channel::ALL.map(|channel| channel.default_max());
        let group = known.map_or(number % self.size.groups, |known| known.group.0);
        AgentView {
            number: AgentNo(number),
            ver,
            group: GroupNo(if self.chance.percent(10) { self.chance.below(self.size.groups) } else { group }),
            session,
            on_duty: session != 0 && self.chance.percent(85),
            pools: pools[self.chance.below(5) as usize],
            weights: if self.chance.percent(15) { [20, 10, 10, 10, 5] } else { weights },
            maxima: if self.chance.percent(15) { [2, 1, 1, 1, 1] } else { maxima },
            blocked: if self.chance.percent(15) { self.chance.below(32) as u8 } else { 0 },
            last_accept: Time(i64::from(self.chance.below(3))),
            deleted: self.chance.percent(3),
        }
    }

    fn leg(&mut self, number: u32, known: Option<&LegView>) -> LegView {
        let id = leg_id(number);
        let ver = match (known, self.chance.below(10)) {
            (None, turn) => 1 + turn / 5,
            (Some(known), 0) => known.ver - 1,
            (Some(known), 1 | 2) => known.ver,
            (Some(known), 3) => known.ver + 2,
            (Some(known), _) => known.ver + 1,
        };
        let place = match self.chance.below(20) {
            0 => Place::Idle,
            1..=3 => Place::Closed,
            4..=5 => {
                let channel = Channel::ALL[self.chance.below(5) as usize];
                let weight = channel.default_weight();
                let count = 1 + self.chance.below(2);
                let by = self.chance.some_of(count, self.size.agents);
                Place::Held { channel, by: by.into_iter().map(|no| Booking { agent: AgentNo(no), weight }).collect() }
            }
            _ => Place::Waiting(self.waiting(id)),
        };
        LegView { id, ver, place }
    }

    /// Keys collide often in band, time and enqueue time.
    pub(super) fn waiting(&mut self, leg: LegId) -> Waiting {
        let lane = self.chance.below(self.size.lanes);
        let key = OrderKey {
            band: self.chance.below(3) as u8,
            time: Time(i64::from(self.chance.below(6))),
            enqueue: Time(i64::from(self.chance.below(3))),
            leg,
        };
        let excluded = if self.chance.percent(50) { self.chance.some_of(4, self.size.agents) } else { vec![] };
        let agent = AgentNo(self.chance.below(self.size.agents));
        Waiting {
            lane: LaneNo(lane),
            key,
            channel: channel_of(lane),
            want: if self.chance.percent(30) { self.chance.below(4) as u8 } else { 1 },
            excluded: excluded.into_iter().map(AgentNo).collect(),
            prefer: self.chance.percent(20).then_some(agent),
            connector: self.chance.percent(30).then(|| connector(self.chance.below(3))),
        }
    }
}
