//! The index as the documents have it, and nothing else: flat lists, everything worked out anew at each step.

use std::collections::BTreeMap;

use handoff::availability::memory::{AgentDump, AgentKey, Dump, Lease, Line, Spot};
use handoff::availability::{
    Advanced, AgentView, Ask, Beat, Change, HELD_BACK, HELD_BACK_LOOKED_AT, LOST_AFTER, Lapsed, LegView, PAGE, Place,
    RESERVATION, Reservation, SUSPECT_AFTER, SWEEP_GAP, Serves, Waiting,
};
use handoff::domain::id::{AgentNo, ConnectorId, LegId};
use handoff::domain::record::{Trigger, Unfit};
use handoff::domain::requirement::{Channel, Pool};
use handoff::domain::time::Time;
use handoff::routing::order::OrderKey;

/// A call that changed nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    Epoch,
    Rebuild,
}

#[derive(Default)]
pub struct Oracle {
    epoch: u64,
    view: Option<View>,
    loading: Option<(u128, u32, View)>,
    tick: Option<Time>,
    pub reached: Reached,
}

/// How often the interesting branches were reached.
#[derive(Default)]
pub struct Reached(pub BTreeMap<&'static str, u32>);

impl Reached {
    pub fn note(&mut self, branch: &'static str, happened: bool) {
        *self.0.entry(branch).or_default() += u32::from(happened);
    }
}

#[derive(Clone, Default)]
pub struct View {
    cursor: u64,
    unmatched: Option<u64>,
    serves: Vec<Serves>,
    away: Vec<ConnectorId>,
    agents: Vec<(AgentView, Lease)>,
    legs: Vec<LegView>,
    holds: Vec<Hold>,
}

#[derive(Clone)]
struct Hold {
    reservation: Reservation,
    channel: Channel,
    weights: Vec<u16>,
    refused: Option<u64>,
}

impl Oracle {
    fn at(&mut self, epoch: u64) -> Result<(&mut View, &mut Reached), Refused> {
        let there = self.view.as_mut().filter(|_| self.epoch == epoch);
        self.reached.note("epoch refused", there.is_none());
        there.map(|view| (view, &mut self.reached)).ok_or(Refused::Epoch)
    }

    pub fn reserve(
        &mut self,
        epoch: u64,
        seen: u64,
        asks: &[Ask],
        now: Time,
    ) -> Result<Vec<Option<Reservation>>, Refused> {
        let (view, reached) = self.at(epoch)?;
        reached.note("reserve below its own last write", view.cursor < seen);
        reached.note("reserve in an unmatched view", view.unmatched.is_some());
        if view.cursor < seen || view.unmatched.is_some() {
            return Ok(vec![None; asks.len()]);
        }
        let mut order: Vec<(usize, &Ask)> = asks.iter().enumerate().collect();
        order.sort_by_key(|(_, ask)| ask.waiting.key);
        let mut answers = vec![None; asks.len()];
        for (at, ask) in order {
            answers[at] = view.ask(ask, now, reached);
        }
        Ok(answers)
    }

    pub fn advance(&mut self, epoch: u64, from: u64, to: u64, change: &Change, now: Time) -> Result<Advanced, Refused> {
        let (view, reached) = self.at(epoch)?;
        reached.note("advance passed", view.cursor >= to);
        reached.note("advance behind", view.cursor < from && view.cursor < to);
        reached.note("advance over part of its interval", from < view.cursor && view.cursor < to);
        if view.cursor >= to {
            return Ok(Advanced::Passed);
        }
        if view.cursor < from {
            return Ok(Advanced::Behind { cursor: view.cursor });
        }
        let reservations = view.call(now, reached, |view, reached| {
            let mut entered = view.apply(change, now);
            view.cursor = to;
            let due = view.holds.iter().filter(|hold| hold.refused.is_some_and(|head| head <= to));
            let due: Vec<LegId> = due.map(|hold| hold.reservation.leg).collect();
            reached.note("refused, freed when the cursor came", !due.is_empty());
            due.iter().for_each(|leg| view.holds.retain(|hold| hold.reservation.leg != *leg));
            entered.extend(due);
            entered
        });
        Ok(Advanced::Applied { cursor: to, reservations })
    }

    pub fn refuse(
        &mut self,
        epoch: u64,
        leg: LegId,
        ver: u32,
        head: u64,
        now: Time,
    ) -> Result<Vec<Reservation>, Refused> {
        let (view, reached) = self.at(epoch)?;
        let made = view.call(now, reached, |view, _| {
            let cursor = view.cursor;
            let named = |hold: &Hold| hold.reservation.leg == leg && hold.reservation.leg_ver == ver;
            if cursor >= head {
                let before = view.holds.len();
                view.holds.retain(|hold| !named(hold));
                return if view.holds.len() < before { vec![leg] } else { vec![] };
            }
            for hold in view.holds.iter_mut().filter(|hold| named(hold)) {
                hold.refused = hold.refused.max(Some(head));
            }
            vec![]
        });
        reached.note("refused, then matched again", made.iter().any(|again| again.leg == leg));
        Ok(made)
    }

    pub fn expire(&mut self, limit: usize, now: Time) -> Vec<Reservation> {
        let Some(view) = &mut self.view else { return vec![] };
        let made = view.call(now, &mut self.reached, |view, reached| {
            let mut due: Vec<(Time, LegId)> = view.holds.iter().map(|hold| hold.when()).collect();
            due.retain(|(at, _)| *at <= now);
            due.sort();
            reached.note("more lapsed than the limit", due.len() > limit);
            due.truncate(limit);
            reached.note("lapsed", !due.is_empty());
            view.holds.retain(|hold| !due.contains(&hold.when()));
            due.into_iter().map(|(_, leg)| leg).collect()
        });
        self.reached.note("lapsed, then matched again", !made.is_empty());
        made
    }

    pub fn beat(&mut self, epoch: u64, beats: &[Beat], now: Time) -> Result<(Vec<bool>, Vec<Reservation>), Refused> {
        let (view, reached) = self.at(epoch)?;
        let mut answers = vec![];
        let made = view.call(now, reached, |view, reached| {
            for beat in beats {
                let mut current = false;
                for (agent, lease) in &mut view.agents {
                    if agent.number != beat.agent || agent.session != beat.session {
                        continue;
                    }
                    match *lease {
                        Lease::Live { since } | Lease::Suspect { since } => {
                            reached.note("suspect session beats", matches!(lease, Lease::Suspect { .. }));
                            *lease = Lease::Live { since: since.max(now) };
                            current = true;
                        }
                        Lease::Lost => reached.note("lost session beats", true),
                        Lease::None => {}
                    }
                }
                answers.push(current);
            }
            vec![]
        });
        Ok((answers, made))
    }

    pub fn lost(&mut self, now: Time) -> Option<Lapsed> {
        let view = self.view.as_mut()?;
        let slept = self.tick.is_none_or(|tick| now - tick > SWEEP_GAP);
        self.tick = Some(now);
        self.reached.note("the sweeper slept", slept);
        let mut lapsed = Lapsed::default();
        view.agents.sort_by_key(|(agent, _)| agent.number);
        for (agent, lease) in &mut view.agents {
            let (since, suspect) = match *lease {
                Lease::Live { since } => (since, false),
                Lease::Suspect { since } => (since, true),
                Lease::Lost => {
                    lapsed.lost.extend((!slept).then_some((agent.number, agent.session)));
                    continue;
                }
                Lease::None => continue,
            };
            if slept {
                let since = since.max(now);
                *lease = if suspect { Lease::Suspect { since } } else { Lease::Live { since } };
            } else if now - since >= LOST_AFTER {
                *lease = Lease::Lost;
                lapsed.lost.push((agent.number, agent.session));
            } else if now - since >= SUSPECT_AFTER && !suspect {
                *lease = Lease::Suspect { since };
                lapsed.suspect.push(agent.number);
            }
        }
        self.reached.note("suspect", !lapsed.suspect.is_empty());
        self.reached.note("lost", !lapsed.lost.is_empty());
        (lapsed != Lapsed::default()).then_some(lapsed)
    }

    pub fn begin(&mut self, epoch: u64, token: u128) -> Result<(), Refused> {
        let same_load = self.loading.as_ref().is_some_and(|(loader, ..)| *loader == token) && epoch == self.epoch;
        self.reached.note("begin refused", epoch <= self.epoch && !same_load);
        if epoch <= self.epoch && !same_load {
            return Err(Refused::Rebuild);
        }
        (self.epoch, self.view, self.tick) = (epoch, None, None);
        self.loading = Some((token, 0, View::default()));
        Ok(())
    }

    pub fn load(&mut self, token: u128, page: u32, change: &Change, now: Time) -> Result<(), Refused> {
        let loading = self.loading.as_mut().filter(|(loader, pages, _)| *loader == token && *pages == page);
        self.reached.note("load refused", loading.is_none());
        let (_, pages, view) = loading.ok_or(Refused::Rebuild)?;
        *pages += 1;
        view.apply(change, now);
        Ok(())
    }

    pub fn flip(&mut self, token: u128, pages: u32, cursor: u64, head: u64) -> Result<(), Refused> {
        let complete = self.loading.as_ref().is_some_and(|(loader, loaded, _)| *loader == token && *loaded == pages);
        self.reached.note("flip refused", !complete);
        let (_, _, view) = self.loading.take_if(|_| complete).ok_or(Refused::Rebuild)?;
        self.view = Some(View { cursor, unmatched: Some(head), ..view });
        Ok(())
    }

    pub fn rematch(&mut self, epoch: u64, now: Time) -> Result<(Vec<Reservation>, bool), Refused> {
        let (view, reached) = self.at(epoch)?;
        let Some(head) = view.unmatched else { return Ok((vec![], true)) };
        reached.note("rematch before the head", view.cursor < head);
        if view.cursor < head {
            return Ok((vec![], false));
        }
        let made = view.pass(PAGE, |_| Trigger::LegArrived, now, reached);
        reached.note("rematch", !made.is_empty());
        if made.len() < PAGE {
            view.unmatched = None;
        }
        let done = view.unmatched.is_none();
        Ok((made, done))
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn dump(&self) -> Option<Dump> {
        self.view.as_ref().map(View::dump)
    }
}

impl Hold {
    fn when(&self) -> (Time, LegId) {
        (self.reservation.expire_time, self.reservation.leg)
    }
}

/// What an agent's work comes to.
struct Load {
    room: u8,
    percent: u32,
}

fn load(agent: &AgentView, work: &[(LegId, Channel, u16)]) -> Load {
    let used =
        |pool: Pool| work.iter().filter(|(_, on, _)| on.pool() == pool).map(|(.., w)| u32::from(*w)).sum::<u32>();
    let count = |channel: Channel| work.iter().filter(|(_, on, _)| *on == channel).count();
    let mut room = 0;
    for (at, channel) in Channel::ALL.into_iter().enumerate() {
        let pool = channel.pool();
        let points = u32::from(agent.pools[if pool == Pool::Live { 0 } else { 1 }]);
        let fits =
            used(pool) + u32::from(agent.weights[at]) <= points && count(channel) < usize::from(agent.maxima[at]);
        let on_the_phone = pool == Pool::Deferred && count(Channel::Phone) > 0;
        if fits && !on_the_phone && agent.blocked & channel.bit() == 0 {
            room |= channel.bit();
        }
    }
    let percent = |used: u32, of: u16| match of {
        0 => 100 * used.min(1),
        of => used * 100 / u32::from(of),
    };
    let percent = percent(used(Pool::Live), agent.pools[0]).max(percent(used(Pool::Deferred), agent.pools[1]));
    Load { room, percent }
}

impl View {
    /// Runs a change, works out which legs entered a line by it, and goes through all that wait.
    fn call(
        &mut self,
        now: Time,
        reached: &mut Reached,
        change: impl FnOnce(&mut View, &mut Reached) -> Vec<LegId>,
    ) -> Vec<Reservation> {
        let before = self.lines();
        let spots = self.spots();
        let entered = change(self, reached);
        let after = self.lines();
        let has_arrived = |leg: LegId| {
            let stood = |lines: &[(Line, OrderKey)]| lines.iter().find(|(_, key)| key.leg == leg).copied();
            entered.contains(&leg) || stood(&before) != stood(&after)
        };
        let same_agent = |spot: &Spot| spots.iter().find(|old| old.key.number == spot.key.number);
        let changed = self.spots().iter().any(|spot| same_agent(spot).is_some_and(|old| old.room != spot.room));
        reached.note("room mask changed", changed);
        if self.unmatched.is_some() {
            reached.note("unmatched view", !after.is_empty() && !self.spots().is_empty());
            return vec![];
        }
        let trigger = |leg| if has_arrived(leg) { Trigger::LegArrived } else { Trigger::AgentFreed };
        self.pass(usize::MAX, trigger, now, reached)
    }

    /// All waiting legs in the order of their keys; each takes the best of those still free.
    fn pass(
        &mut self,
        limit: usize,
        trigger: impl Fn(LegId) -> Trigger,
        now: Time,
        reached: &mut Reached,
    ) -> Vec<Reservation> {
        let mut lines = self.lines();
        lines.sort_by_key(|(_, key)| *key);
        let mut spots = self.spots();
        self.note_kept_apart(&lines, &spots, reached);
        let mut made = vec![];
        for (line, key) in lines {
            if made.len() == limit {
                break;
            }
            let leg = self.leg(key.leg).expect("in line").clone();
            let waiting = waiting_of(&leg).expect("in line");
            let trigger = trigger(leg.id);
            let chosen = self.candidates(&spots, waiting, line);
            if let Some(reservation) = self.hold(leg.id, leg.ver, waiting, chosen, trigger, now, reached) {
                made.push(reservation);
                spots = self.spots();
            }
        }
        reached.note("agent freed", made.iter().any(|one| one.trigger == Trigger::AgentFreed));
        made
    }

    /// Legs that would have gone to somebody, had they not waited for one agent, or for their connector.
    fn note_kept_apart(&self, lines: &[(Line, OrderKey)], spots: &[Spot], reached: &mut Reached) {
        let could = |waiting: &Waiting| !self.candidates(spots, waiting, Line::Lane(waiting.lane)).is_empty();
        let for_one = lines.iter().filter(|(line, _)| matches!(line, Line::Agent(_)));
        let mut busy = for_one.filter_map(|(line, key)| Some((*line, self.leg(key.leg).and_then(waiting_of)?)));
        let busy = busy.any(|(line, waiting)| self.candidates(spots, waiting, line).is_empty() && could(waiting));
        reached.note("preferred busy", busy);
        let mut away = self.legs.iter().filter_map(waiting_of).filter(|waiting| self.line_of(waiting).is_none());
        reached.note("connector away", away.any(could));
    }

    fn ask(&mut self, ask: &Ask, now: Time, reached: &mut Reached) -> Option<Reservation> {
        reached.note("asked for a leg that exists", self.leg(ask.leg).is_some());
        if self.leg(ask.leg).is_some() {
            return None;
        }
        if let Some(hold) = self.holds.iter().find(|hold| hold.reservation.leg == ask.leg) {
            reached.note("asked twice", true);
            return Some(hold.reservation.clone());
        }
        let known = self.serves.iter().any(|serves| serves.lane == ask.waiting.lane);
        reached.note("lane unknown", !known);
        if !known {
            return None;
        }
        let line = self.line_of(&ask.waiting)?;
        let spots = self.spots();
        let chosen = self.candidates(&spots, &ask.waiting, line);
        let overtakes = self.lines().into_iter().filter(|(_, key)| *key < ask.waiting.key).any(|(line, key)| {
            let waiting = self.leg(key.leg).and_then(waiting_of).expect("in line");
            self.candidates(&spots, waiting, line).iter().any(|agent| chosen.contains(agent))
        });
        if overtakes {
            return None;
        }
        reached.note("reserved beforehand", !chosen.is_empty());
        self.hold(ask.leg, 0, &ask.waiting, chosen, Trigger::LegArrived, now, reached)
    }

    #[expect(clippy::too_many_arguments, reason = "an oracle spells everything out")]
    fn hold(
        &mut self,
        leg: LegId,
        leg_ver: u32,
        waiting: &Waiting,
        mut chosen: Vec<AgentNo>,
        trigger: Trigger,
        now: Time,
        reached: &mut Reached,
    ) -> Option<Reservation> {
        let want = usize::from(waiting.want.max(1));
        reached.note("fewer than wanted", !chosen.is_empty() && chosen.len() < want);
        chosen.truncate(want);
        let first = *chosen.first()?;
        reached.note("parallel wants", chosen.len() > 1);
        let lines = self.lines();
        let ahead = lines.iter().filter(|(line, key)| *line == Line::Lane(waiting.lane) && *key < waiting.key);
        let skipped = ahead.clone().filter_map(|(_, key)| self.leg(key.leg).and_then(waiting_of));
        reached.note("excluded head skipped", skipped.clone().any(|head| head.excluded.contains(&first)));
        let reservation = Reservation {
            leg,
            leg_ver,
            agents: chosen.iter().map(|no| (*no, self.agent(*no).expect("chosen").session)).collect(),
            trigger,
            ahead: ahead.count() as u32,
            held_back: self.held_back(waiting),
            loads: self.loads(&self.spots(), waiting.lane),
            cursor: self.cursor,
            expire_time: now + RESERVATION,
        };
        reached.note("held back", !reservation.held_back.is_empty());
        let at = Channel::ALL.iter().position(|channel| *channel == waiting.channel).expect("one of all");
        let weights = chosen.iter().map(|no| self.agent(*no).expect("chosen").weights[at]).collect();
        self.holds.push(Hold { reservation: reservation.clone(), channel: waiting.channel, weights, refused: None });
        Some(reservation)
    }

    /// Whoever can take the leg now, in order of choice.
    fn candidates(&self, spots: &[Spot], waiting: &Waiting, line: Line) -> Vec<AgentNo> {
        let mut fitting = vec![];
        for spot in spots {
            let rank = match line {
                Line::Agent(agent) => (agent == spot.key.number).then(Default::default),
                Line::Lane(lane) => self.rank(lane, spot.group),
            };
            let open = spot.room & waiting.channel.bit() != 0 && !waiting.excluded.contains(&spot.key.number);
            fitting.extend(rank.filter(|_| open).map(|rank| (rank, spot.key)));
        }
        fitting.sort();
        fitting.into_iter().map(|(_, key)| key.number).collect()
    }

    /// What free agents with proposals under way carry, those counted in.
    fn loads(&self, spots: &[Spot], lane: handoff::domain::id::LaneNo) -> Vec<(AgentNo, u16)> {
        let mut busy: Vec<AgentNo> =
            self.agents.iter().filter(|(agent, _)| agent.on_duty).map(|(row, _)| row.number).collect();
        busy.sort();
        let lapsed = |number: AgentNo| {
            let lease = self.agents.iter().find(|(row, _)| row.number == number).map(|(_, lease)| lease);
            matches!(lease, Some(Lease::Suspect { .. } | Lease::Lost))
        };
        busy.retain(|number| lapsed(*number) || !self.reserved(*number).is_empty());
        busy.truncate(HELD_BACK_LOOKED_AT);
        let free = |number: &AgentNo| spots.iter().find(|spot| spot.key.number == *number);
        let mut loads: Vec<(AgentNo, u16)> = busy
            .iter()
            .filter(|number| !self.reserved(**number).is_empty())
            .filter_map(free)
            .filter(|spot| self.rank(lane, spot.group).is_some())
            .map(|spot| (spot.key.number, spot.key.load as u16))
            .collect();
        loads.truncate(HELD_BACK);
        loads
    }

    fn held_back(&self, waiting: &Waiting) -> Vec<(AgentNo, Unfit)> {
        let mut agents: Vec<&(AgentView, Lease)> = self.agents.iter().filter(|(agent, _)| agent.on_duty).collect();
        agents.sort_by_key(|(agent, _)| agent.number);
        let lapsed = |lease: &Lease| matches!(lease, Lease::Suspect { .. } | Lease::Lost);
        agents.retain(|(agent, lease)| lapsed(lease) || !self.reserved(agent.number).is_empty());
        agents.truncate(HELD_BACK_LOOKED_AT);
        let mut named = vec![];
        for (agent, lease) in agents {
            let held = self.held(agent.number);
            let all = [held.clone(), self.reserved(agent.number)].concat();
            let bit = waiting.channel.bit();
            let fits = self.rank(waiting.lane, agent.group).is_some() && !waiting.excluded.contains(&agent.number);
            if !fits || load(agent, &held).room & bit == 0 {
                continue;
            }
            if lapsed(lease) {
                named.push((agent.number, Unfit::Suspect));
            } else if *lease != Lease::None && load(agent, &all).room & bit == 0 {
                named.push((agent.number, Unfit::Reserved));
            }
        }
        named.truncate(HELD_BACK);
        named
    }
}

fn waiting_of(leg: &LegView) -> Option<&Waiting> {
    match &leg.place {
        Place::Waiting(waiting) => Some(waiting),
        Place::Idle | Place::Held { .. } | Place::Closed => None,
    }
}

mod state;
