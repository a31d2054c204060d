//! Matching: the one place where a waiting leg and a free agent meet.
//!
//! What comes out is as if all waiting legs were gone through in the order of their keys and each took the best of the agents
//! still free. Only legs that entered a line and agents who got more room are looked at: without one of the two there is no
//! new pair, since before the call no waiting leg stood beside an eligible free agent. Legs and agents wait for their turn in
//! one heap, an agent under the key of the best leg for that agent, so that nobody is served before a smaller key.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::agents::{HeldBack, channel_at};
use super::free::Spot;
use super::lines::{LaneLine, Line};
use super::view::{Hold, Leg, View, is_excluded};
use crate::availability::{Ask, HELD_BACK, HELD_BACK_LOOKED_AT, Place, Reservation, Waiting};
use crate::domain::id::{AgentNo, LegId};
use crate::domain::record::{Trigger, Unfit};
use crate::domain::time::{Span, Time};
use crate::routing::order::OrderKey;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seeker {
    Leg,
    Agent(AgentNo),
}

/// When a call happens, and how long what it reserves is held.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Time,
    pub(super) reservation: Span,
}

impl View {
    /// Ends a call: looks again at what it touched, then matches, unless the view is unmatched.
    pub(super) fn settle(&mut self, moment: Moment) -> Vec<Reservation> {
        self.refresh_touched();
        let arrived = std::mem::take(&mut self.arrived);
        let freed = std::mem::take(&mut self.freed);
        if self.unmatched.is_some() || self.free.is_empty() {
            return Vec::new();
        }
        let seekers = arrived.iter().map(|key| Reverse((*key, Seeker::Leg))).collect();
        let trigger = |key: &OrderKey| if arrived.contains(key) { Trigger::LegArrived } else { Trigger::AgentFreed };
        self.match_from(seekers, freed, usize::MAX, trigger, moment)
    }

    /// Matches up to `limit` legs of an unmatched view; with fewer, nothing is left, and the mark is cleared.
    pub(super) fn rematch(&mut self, limit: usize, moment: Moment) -> Vec<Reservation> {
        let everybody: BTreeSet<AgentNo> = self.free.iter().map(|spot| spot.key.number).collect();
        let made = self.match_from(BinaryHeap::new(), everybody, limit, |_| Trigger::LegArrived, moment);
        if made.len() < limit {
            self.unmatched = None;
        }
        made
    }

    fn match_from(
        &mut self,
        mut seekers: BinaryHeap<Reverse<(OrderKey, Seeker)>>,
        freed: BTreeSet<AgentNo>,
        limit: usize,
        trigger: impl Fn(&OrderKey) -> Trigger,
        moment: Moment,
    ) -> Vec<Reservation> {
        let looks = freed.into_iter().filter_map(|agent| Some(Reverse((self.best_leg(agent)?, Seeker::Agent(agent)))));
        seekers.extend(looks);
        let mut made = Vec::new();
        while made.len() < limit
            && let Some(Reverse((key, seeker))) = seekers.pop()
        {
            if let Seeker::Agent(agent) = seeker {
                // Others were served since this agent looked.
                let Some(best) = self.best_leg(agent) else { continue };
                seekers.push(Reverse((best, seeker)));
                if best != key {
                    continue;
                }
            }
            made.extend(self.reserve_waiting(key, trigger(&key), moment));
        }
        made
    }

    /// Holds agents for legs about to be created, the smallest key first; answers in the order of the asks.
    pub(super) fn reserve(&mut self, asks: Vec<Ask>, moment: Moment) -> Vec<Option<Reservation>> {
        let mut answers: Vec<Option<Reservation>> = asks.iter().map(|_| None).collect();
        let mut order: Vec<usize> = (0..asks.len()).collect();
        order.sort_by_key(|at| asks[*at].waiting.key);
        for at in order {
            answers[at] = self.reserve_ask(&asks[at], moment);
        }
        answers
    }

    fn reserve_ask(&mut self, ask: &Ask, moment: Moment) -> Option<Reservation> {
        if self.legs.contains_key(&ask.leg) {
            return None;
        }
        if let Some(hold) = self.holds.get(&ask.leg) {
            return Some(hold.reservation.clone());
        }
        self.fits.lane(ask.waiting.lane)?;
        let line = self.line_of(&ask.waiting)?;
        let agents = self.choose(&ask.waiting, line);
        let reservation = self.reservation(ask.leg, 0, &ask.waiting, agents, Trigger::LegArrived, moment)?;
        self.hold(&ask.waiting, reservation.clone());
        Some(reservation)
    }

    /// Matches the leg that stands in line with this key, if it still does and somebody can take it.
    fn reserve_waiting(&mut self, key: OrderKey, trigger: Trigger, moment: Moment) -> Option<Reservation> {
        let id = key.leg;
        let leg = self.legs.get(&id)?;
        let (line, waiting) = (leg.line?, leg.waiting()?);
        if waiting.key != key {
            return None;
        }
        let agents = self.choose(waiting, line);
        let reservation = self.reservation(id, leg.ver, waiting, agents, trigger, moment)?;
        let leg = self.legs.get_mut(&id)?;
        leg.line = None;
        let Place::Waiting(waiting) = leg.place.clone() else { return None };
        self.lines.remove(line, key);
        self.hold(&waiting, reservation.clone());
        Some(reservation)
    }

    /// The agents for a leg in order of choice, at most as many as it wants.
    fn choose(&self, waiting: &Waiting, line: Line) -> Vec<AgentNo> {
        match line {
            Line::Agent(agent) => {
                let has_room = |spot: &Spot| spot.room & waiting.channel.bit() != 0;
                let spot = self.spot(agent).filter(|spot| has_room(spot) && !is_excluded(waiting, agent));
                spot.into_iter().map(|spot| spot.key.number).collect()
            }
            Line::Lane(lane) => {
                let Some(fits) = self.fits.lane(lane) else { return Vec::new() };
                let mut chosen: Vec<AgentNo> = Vec::new();
                while chosen.len() < usize::from(waiting.want.max(1)) {
                    let barred = |agent| is_excluded(waiting, agent) || chosen.contains(&agent);
                    match self.free.best(fits, waiting.channel, barred) {
                        Some(agent) => chosen.push(agent),
                        None => break,
                    }
                }
                chosen
            }
        }
    }

    /// The smallest waiting leg that an agent can take.
    fn best_leg(&self, agent: AgentNo) -> Option<OrderKey> {
        let spot = self.spot(agent)?;
        let own = self.lines.of_agent(agent).find(|key| {
            let waiting = self.legs.get(&key.leg).and_then(Leg::waiting);
            waiting.is_some_and(|waiting| spot.room & waiting.channel.bit() != 0)
        });
        let Some(lanes) = self.fits.lanes_of(spot.group) else { return own };
        let heads = self.lines.heads();
        // Going by the heads ends at the first lane served; going by the lanes served looks at each of them.
        if lanes.len().saturating_mul(lanes.len()) < heads.len() {
            let lines = lanes.iter().filter_map(|lane| self.lines.lane(*lane));
            let firsts = lines.filter_map(|line| self.first_for(spot, line));
            return firsts.chain(own).min();
        }
        let mut best = own;
        for (head, lane) in heads {
            if best.is_some_and(|best| best < *head) {
                break;
            }
            if lanes.contains(lane)
                && let Some(line) = self.lines.lane(*lane)
            {
                best = best.into_iter().chain(self.first_for(spot, line)).min();
            }
        }
        best
    }

    /// The first leg of a lane's line that does not exclude this agent. The look has no depth limit: who gave up after a
    /// number of heads would leave the leg behind them beside a free agent. It is bounded by the legs that this one agent
    /// declined, missed or lost within the exclusion times.
    fn first_for(&self, spot: Spot, line: &LaneLine) -> Option<OrderKey> {
        if spot.room & line.channel.bit() == 0 {
            return None;
        }
        let excludes = |id: &LegId| {
            let waiting = self.legs.get(id).and_then(Leg::waiting);
            waiting.is_none_or(|waiting| is_excluded(waiting, spot.key.number))
        };
        line.keys().iter().find(|key| !excludes(&key.leg)).copied()
    }

    fn spot(&self, agent: AgentNo) -> Option<Spot> {
        self.agents.get(&agent)?.spot
    }

    fn reservation(
        &self,
        leg: LegId,
        leg_ver: u32,
        waiting: &Waiting,
        chosen: Vec<AgentNo>,
        trigger: Trigger,
        moment: Moment,
    ) -> Option<Reservation> {
        if chosen.is_empty() {
            return None;
        }
        let held_back = self.held_back_from(waiting);
        let session = |agent: &AgentNo| self.agents.get(agent)?.view.as_ref().map(|view| view.session);
        Some(Reservation {
            leg,
            leg_ver,
            agents: chosen.into_iter().filter_map(|agent| Some((agent, session(&agent)?))).collect(),
            trigger,
            ahead: self.lines.ahead(waiting.lane, waiting.key),
            held_back,
            loads: self.loads_counted_for(waiting),
            cursor: self.cursor,
            expire_time: moment.now + moment.reservation,
        })
    }

    /// Agents whom the roster would take for available: they fit and have room as far as the log knows.
    fn held_back_from(&self, waiting: &Waiting) -> Vec<(AgentNo, Unfit)> {
        let Some(fits) = self.fits.lane(waiting.lane) else { return Vec::new() };
        let why = |(number, agent): (&AgentNo, &HeldBack)| {
            let unfit = agent.by(waiting.channel)?;
            fits.rank(agent.group)?;
            (!is_excluded(waiting, *number)).then_some((*number, unfit))
        };
        self.held_back.iter().take(HELD_BACK_LOOKED_AT).filter_map(why).take(HELD_BACK).collect()
    }

    /// The loads of agents whom proposals under way make busier than the roster takes them for.
    fn loads_counted_for(&self, waiting: &Waiting) -> Vec<(AgentNo, u16)> {
        let Some(fits) = self.fits.lane(waiting.lane) else { return Vec::new() };
        let load = |(number, agent): (&AgentNo, &HeldBack)| {
            let load = agent.load?;
            fits.rank(agent.group)?;
            Some((*number, load))
        };
        self.held_back.iter().take(HELD_BACK_LOOKED_AT).filter_map(load).take(HELD_BACK).collect()
    }

    fn hold(&mut self, waiting: &Waiting, reservation: Reservation) {
        let leg = reservation.leg;
        for (number, _) in &reservation.agents {
            if let Some(agent) = self.agents.get_mut(number) {
                let weight = agent.view.as_ref().map_or(0, |view| view.weights[channel_at(waiting.channel)]);
                agent.reserved.insert(leg, waiting.channel, weight);
                self.refresh(*number);
            }
        }
        self.deadlines.insert((reservation.expire_time, leg));
        self.holds.insert(leg, Hold { reservation, refused: None });
    }
}
