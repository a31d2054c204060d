//! The protocol as a state machine for stateright: which actions a state offers, and what each one does.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use stateright::{Model, Property};

use super::actor::Actor;
use super::broken::Broken;
use super::config::{Budget, Config, Mutant};
use super::redis::{Fault, Follower, Redis, Side};
use super::repair;
use super::rows::{AgentNo, LegNo, LegState};
use super::store::Store;
use super::turn::Turn;
use super::view::{Slot, View};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub store: Store,
    pub redis: Redis,
    /// Sorted: which replica a task belongs to makes no difference, so their order is none either.
    pub actors: Vec<Actor>,
    pub left: Budget,
    /// Passes of anti-entropy in a row that found a difference.
    pub drift: u8,
    /// What a step broke that the state after it does not show.
    pub slip: Option<Broken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// R of a new ticket.
    Reserve(LegNo, Side),
    /// R of a new ticket is on its way and has been given up.
    SendLate(LegNo),
    Do(Command),
    /// Somebody sees that nobody else is on duty.
    Lift(LegNo),
    /// The next step of the actor at this place of the list.
    Step(usize, Side),
    /// A tailer reads so many entries of the log.
    Read(usize, u8),
    /// The actor stops for ever.
    Stop(usize),
    /// The actor's call is sent twice.
    Repeat(usize),
    /// A tailer reads the cursor.
    Tail(Side),
    /// A tailer reads the cursor and so many entries.
    TailPage(Side, u8),
    Expire(Side, LegNo),
    /// `lost` finds a session without heartbeats, or it beats again.
    Suspect(Side, AgentNo),
    Beat(Side, AgentNo),
    Match(Side),
    Rebuild,
    Audit,
    Fault(Fault),
}

/// What callers and timers ask of the store: one transaction each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A new ticket without R.
    Create(LegNo),
    Accept(LegNo, AgentNo),
    Decline(LegNo, AgentNo),
    End(LegNo),
    Cancel(LegNo),
    NewSession(AgentNo),
    Leave(AgentNo),
    Regroup(AgentNo),
    /// Exclusions of a leg end by their time.
    Lapse(LegNo),
    Widen(LegNo),
    Intern,
}

pub struct Protocol {
    pub config: Config,
    /// What repair made of each (store, view) so far, by fingerprint.
    repaired: Mutex<HashMap<u64, Option<Broken>>>,
    /// How many states may still be looked at before none is followed any further.
    left: AtomicUsize,
}

impl Protocol {
    pub fn new(config: Config, limit: usize) -> Protocol {
        Protocol { config, repaired: Mutex::default(), left: AtomicUsize::new(limit) }
    }

    /// Whether the limit was reached: states were found that were not followed.
    pub fn is_cut_off(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// For whoever walks a path again.
    pub fn lift_limit(&self) {
        self.left.store(usize::MAX, Ordering::Relaxed);
    }

    fn count_down(&self) {
        // The store of a value that another thread has just lowered looks at one state too many: no harm.
        self.left.store(self.left.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    }

    /// The first property that does not hold in a state.
    pub fn broken(&self, state: &State) -> Option<Broken> {
        super::broken::find(&self.config, state).or_else(|| self.after_repair(state))
    }

    /// How many distinct pairs (store, view) were repaired.
    pub fn repaired(&self) -> usize {
        self.repaired.lock().expect("no check panicked").len()
    }

    /// With two masters it is not said yet whose view remains: the states after say it.
    fn after_repair(&self, state: &State) -> Option<Broken> {
        if state.redis.is_split() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (&state.store, &state.redis.master).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(known) = self.repaired.lock().expect("no check panicked").get(&key) {
            return *known;
        }
        let found = repair::run(&self.config, state.store.clone(), state.redis.master);
        self.repaired.lock().expect("no check panicked").insert(key, found);
        found
    }

    fn commands(&self, state: &State, actions: &mut Vec<Action>) {
        let config = &self.config;
        // A serial client waits for the answer, whatever it asked for.
        if config.serial && state.actors.iter().any(|actor| matches!(actor, Actor::Create { .. })) {
            return;
        }
        for leg in 0..config.legs {
            let row = state.store.rows.leg(leg);
            match row.state {
                LegState::Absent => self.creations(state, leg, actions),
                LegState::Waiting => {
                    if state.left.lapses > 0 && !row.excluded.is_empty() {
                        actions.push(Action::Do(Command::Lapse(leg)));
                    }
                    let lifts = |actor: &Actor| matches!(actor, Actor::Lift { leg: it, .. } if *it == leg);
                    let is_lifted = config.has(Mutant::NeverLifted) || state.actors.iter().any(lifts);
                    if state.store.must_lift(config, leg) && !is_lifted {
                        actions.push(Action::Lift(leg));
                    }
                    if state.left.widenings > 0 && state.store.rows.wide && row.lane == super::rows::Lane::Narrow {
                        actions.push(Action::Do(Command::Widen(leg)));
                    }
                }
                LegState::Offered(_) => {
                    actions.extend(row.state.agents().iter().map(|agent| Action::Do(Command::Accept(leg, agent))));
                    if state.left.declines > 0 {
                        actions.extend(row.state.agents().iter().map(|agent| Action::Do(Command::Decline(leg, agent))));
                    }
                }
                LegState::Held(_) => actions.push(Action::Do(Command::End(leg))),
                LegState::Done => {}
            }
            if state.left.cancels > 0 && matches!(row.state, LegState::Waiting | LegState::Offered(_)) {
                actions.push(Action::Do(Command::Cancel(leg)));
            }
        }
        if state.left.sessions > 0 {
            actions.extend((0..config.agents).map(|agent| Action::Do(Command::NewSession(agent))));
        }
        if state.left.leaves > 0 {
            let there = (0..config.agents).filter(|agent| state.store.rows.agent(*agent).on_duty);
            actions.extend(there.map(|agent| Action::Do(Command::Leave(agent))));
        }
        let narrow = (0..config.agents).filter(|agent| state.store.rows.agent(*agent).group == 0);
        if state.left.regroups > 0 {
            actions.extend(narrow.map(|agent| Action::Do(Command::Regroup(agent))));
        }
        if !state.store.rows.wide {
            actions.push(Action::Do(Command::Intern));
        }
    }

    fn creations(&self, state: &State, leg: LegNo, actions: &mut Vec<Action>) {
        let config = &self.config;
        let creates = |actor: &Actor, leg: LegNo| matches!(actor, Actor::Create { leg: it, .. } if *it == leg);
        if state.actors.iter().any(|actor| creates(actor, leg)) {
            return;
        }
        // A serial client has the answer for each ticket before it makes the next.
        if config.serial && (0..leg).any(|before| state.store.rows.leg(before).ver == 0) {
            return;
        }
        if config.lanes[usize::from(leg)] == super::rows::Lane::Wide && !state.store.rows.wide {
            return;
        }
        if config.with_reserve {
            actions.extend(state.redis.sides().iter().map(|side| Action::Reserve(leg, *side)));
        }
        if config.without_reserve {
            actions.push(Action::Do(Command::Create(leg)));
        }
        if state.left.late_reserves > 0 {
            actions.push(Action::SendLate(leg));
        }
    }

    fn tasks(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, actor) in state.actors.iter().enumerate() {
            if at > 0 && state.actors[at - 1] == *actor {
                continue;
            }
            if !self.config.serial && self.is_in_the_way(state, actor) {
                actions.push(Action::Stop(at));
            }
            if state.left.repeats > 0 && actor.calls() && state.actors.len() < self.config.actors {
                actions.push(Action::Repeat(at));
            }
            if let Actor::Tail { .. } = actor {
                actions.extend([Action::Read(at, 1), Action::Read(at, 2)]);
            } else if actor.calls() {
                actions.extend(state.redis.sides().iter().map(|side| Action::Step(at, *side)));
            } else {
                actions.push(Action::Step(at, Side::Master));
            }
        }
    }

    /// Exact: an actor that has stopped for ever differs from one that has not acted yet only by the place it takes.
    fn is_in_the_way(&self, state: &State, actor: &Actor) -> bool {
        let is_full = state.actors.len() == self.config.actors;
        is_full || matches!(actor, Actor::Create { .. }) || actor.tails() && self.tailers(state) == self.config.tailers
    }

    fn tailers(&self, state: &State) -> usize {
        state.actors.iter().filter(|actor| actor.tails()).count()
    }

    fn sweeps(&self, state: &State, actions: &mut Vec<Action>) {
        let room = self.config.actors - state.actors.len();
        for side in state.redis.sides() {
            let Some(view) = state.redis.at(*side).live() else { continue };
            if view.cursor < state.store.head && self.tailers(state) < self.config.tailers && room > 0 {
                if self.config.tail_in_two_steps {
                    actions.push(Action::Tail(*side));
                } else {
                    actions.extend([Action::TailPage(*side, 1), Action::TailPage(*side, 2)]);
                }
            }
            let held = (0..self.config.legs).filter(|leg| view.hold(*leg).is_some());
            if !self.config.serial && !self.config.has(Mutant::NoExpire) {
                actions.extend(held.map(|leg| Action::Expire(*side, leg)));
            }
            actions.extend(view.suspects.iter().map(|agent| Action::Beat(*side, agent)));
            if state.left.suspects > 0 {
                actions.extend((0..self.config.agents).map(|agent| Action::Suspect(*side, agent)));
            }
            if view.unmatched.is_some() {
                actions.push(Action::Match(*side));
            }
        }
        if state.left.digests > 0 && room > 0 {
            actions.push(Action::Audit);
        }
        let is_sound = state.redis.master.live().is_some_and(|view| view.epoch == state.store.epoch);
        let is_wanted = !is_sound || self.config.idle_rebuilds || state.drift >= 2;
        if state.left.rebuilds > 0 && room > 0 && is_wanted {
            actions.push(Action::Rebuild);
        }
    }

    fn faults(&self, state: &State, actions: &mut Vec<Action>) {
        let mut may = |fault| actions.push(Action::Fault(fault));
        match state.redis.follower {
            Follower::InStep => {
                if state.left.failovers > 0 {
                    may(Fault::FollowerStops);
                }
                if state.left.splits > 0 {
                    may(Fault::Split);
                }
            }
            Follower::Behind(_) => may(Fault::Failover),
            Follower::Master { .. } => [Side::Master, Side::Other].map(Fault::Survives).into_iter().for_each(may),
        }
        let mut may = |fault| actions.push(Action::Fault(fault));
        if state.left.losses > 0 {
            may(Fault::Lost);
        }
        if state.left.rots > 0 {
            (0..self.config.legs).map(Fault::Rot).for_each(may);
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let rows = self.config.rows();
        vec![State {
            store: Store::new(rows),
            redis: Redis::new(Slot::Live(View::new(1, 0, super::scripts::view_of(&rows)))),
            actors: Vec::new(),
            left: self.config.budget,
            drift: 0,
            slip: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.is_cut_off() {
            return;
        }
        self.commands(state, actions);
        self.tasks(state, actions);
        self.sweeps(state, actions);
        self.faults(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut turn = Turn::new(&self.config, before.clone());
        turn.take(action)?;
        turn.end().filter(|after| after != before)
    }

    fn properties(&self) -> Vec<Property<Protocol>> {
        // One property, so that the checker stops at the first state that breaks any; `broken` says which.
        vec![Property::always("every invariant holds", |model, state| {
            model.count_down();
            model.broken(state).is_none()
        })]
    }
}
