//! One step: what an action does to a state.

use super::actor::{Actor, Audit, Load, Seen, page_of};
use super::broken::{self, Broken};
use super::config::{Config, Mutant};
use super::protocol::{Action, Command, State};
use super::redis::{Fault, Side};
use super::reservation::Reservation;
use super::rows::{Epoch, LegNo, Row, Rows, Seq};
use super::scripts::{self, Advanced};
use super::store::{Commit, Refused};
use super::view::Slot;

pub struct Turn<'a> {
    config: &'a Config,
    state: State,
    /// An actor found no room: another must stop before this step.
    is_crowded: bool,
}

impl<'a> Turn<'a> {
    pub fn new(config: &'a Config, state: State) -> Turn<'a> {
        Turn { config, state, is_crowded: false }
    }

    /// `None` when the action is no step from here.
    pub fn take(&mut self, action: Action) -> Option<()> {
        match action {
            Action::Reserve(leg, side) => self.reserve(leg, side),
            Action::SendLate(leg) => {
                self.state.left.late_reserves -= 1;
                self.spawn(Actor::LateReserve { leg });
            }
            Action::Lift(leg) => {
                let ver = self.state.store.rows.leg(leg).ver;
                self.spawn(Actor::Lift { leg, ver });
            }
            Action::Step(at, side) => {
                let actor = self.state.actors.remove(at);
                self.step(actor, side);
            }
            Action::Read(at, size) => {
                let Actor::Tail { epoch, cursor } = self.state.actors.remove(at) else { return None };
                self.read_log(epoch, cursor, size)?;
            }
            Action::Stop(at) => {
                self.state.actors.remove(at);
            }
            Action::Repeat(at) => {
                self.state.left.repeats -= 1;
                let actor = self.state.actors[at].clone();
                self.spawn(Actor::Again(Box::new(actor)));
            }
            Action::Tail(side) => {
                let view = self.state.redis.at(side).live()?;
                self.spawn(Actor::Tail { epoch: view.epoch, cursor: view.cursor });
            }
            Action::TailPage(side, size) => {
                let view = self.state.redis.at(side).live()?;
                self.read_log(view.epoch, view.cursor, size)?;
            }
            Action::Expire(side, leg) => self.sweep(side, |config, slot, at| scripts::expire(config, slot, at, leg)),
            Action::Suspect(side, agent) => {
                self.state.left.suspects -= 1;
                self.sweep(side, |config, slot, at| scripts::suspect(config, slot, at, agent));
            }
            Action::Beat(side, agent) => self.sweep(side, |config, slot, at| scripts::beat(config, slot, at, agent)),
            Action::Match(side) => self.sweep(side, scripts::match_waiting),
            Action::Rebuild => {
                self.state.left.rebuilds -= 1;
                self.state.drift = 0;
                let epoch = self.state.store.raise_epoch();
                self.spawn(Actor::Load { epoch, step: Load::Fenced });
            }
            Action::Audit => {
                self.state.left.digests -= 1;
                let (epoch, head) = (self.state.store.epoch, self.state.store.head);
                let before = Box::new(Seen(self.state.store.rows));
                self.spawn(Actor::Audit { epoch, step: Audit::Rows { head, before } });
            }
            Action::Fault(fault) => self.suffer(fault)?,
            Action::Do(command) => self.command(command),
        }
        Some(())
    }

    /// The state after the step, without what no later step can tell; `None` when there was no room for a task.
    pub fn end(mut self) -> Option<State> {
        let State { store, redis, actors, .. } = &mut self.state;
        if self.is_crowded {
            return None;
        }
        actors.retain(|actor| actor.can_act(self.config, store, redis));
        actors.sort_unstable();
        let views = redis.slots().filter_map(Slot::live).map(|view| view.cursor);
        let readers = actors.iter().filter_map(Actor::lowest_cursor);
        let lowest = views.chain(readers).min();
        store.cut(lowest.unwrap_or(store.head));
        Some(self.state)
    }

    fn spawn(&mut self, actor: Actor) {
        if self.state.actors.len() < self.config.actors {
            self.state.actors.push(actor);
        } else {
            self.is_crowded = true;
        }
    }

    /// Runs a script, and sees that it took no row of the view back.
    fn call<T>(&mut self, side: Side, script: impl FnOnce(&mut Slot) -> T) -> T {
        let slot = self.state.redis.call(side);
        let before = *slot;
        let answer = script(slot);
        if broken::went_back(&before, slot) {
            self.state.slip = Some(Broken::ViewWentBack);
        }
        answer
    }

    /// What a script handed out is to be proposed.
    fn hand_out(&mut self, side: Side, made: Vec<Reservation>) {
        if broken::jumped_the_line(self.config, self.state.redis.at(side), &made) {
            self.state.slip = Some(Broken::OrderAtIndex);
        }
        if broken::jumped_the_log(&self.state.store, self.state.redis.at(side), &made) {
            self.state.slip = Some(Broken::OrderAfterLoad);
        }
        // Those for whom there is no room are lost with the answer, and lapse; a serial client loses none.
        let room = if self.config.serial { made.len() } else { self.config.actors - self.state.actors.len() };
        made.into_iter().take(room).for_each(|reservation| self.spawn(Actor::Propose(reservation)));
    }

    /// A commit that may have made offers: what is wrong with an offer shows at the moment it is made.
    fn offered(&mut self, commit: Commit) {
        self.state.slip = self.state.slip.or_else(|| broken::misfit(&self.state.store.rows, &commit));
        self.committed(commit);
    }

    fn create(&mut self, leg: LegNo, reserved: Option<&Reservation>) {
        let commit = self.state.store.create(self.config, leg, reserved);
        let overtook = broken::overtook(&self.state.store.rows, &self.state.redis.master, &commit);
        if self.config.serial && overtook {
            self.state.slip = Some(Broken::Overtaken);
        }
        self.offered(commit);
    }

    /// A script that anybody may call at any time, under the epoch that the slot is of.
    fn sweep(&mut self, side: Side, script: impl FnOnce(&Config, &mut Slot, Epoch) -> Vec<Reservation>) {
        let (config, epoch) = (self.config, self.state.redis.at(side).epoch());
        let made = self.call(side, |slot| script(config, slot, epoch));
        self.hand_out(side, made);
    }

    fn committed(&mut self, commit: Commit) {
        let Commit { from, to, rows } = commit;
        self.spawn(Actor::Advance { epoch: self.state.store.epoch, from, to, rows, is_tail: false });
    }

    fn reserve(&mut self, leg: LegNo, side: Side) {
        let reserved = self.ask(leg, side);
        // Answered nobody, it is a creation without R.
        if reserved.is_some() || !self.config.without_reserve {
            self.spawn(Actor::Create { leg, reserved });
        }
    }

    fn ask(&mut self, leg: LegNo, side: Side) -> Option<Reservation> {
        let (config, epoch) = (self.config, self.state.redis.at(side).epoch());
        // Elsewhere the lowest that a replica can know, which forbids the least.
        let seen = if config.serial { self.state.store.head } else { 0 };
        let row = config.rows().leg(leg);
        let is_held = self.state.redis.at(side).live().is_some_and(|view| view.hold(leg).is_some());
        let made = self.call(side, |slot| scripts::reserve(config, slot, epoch, seen, (leg, row)));
        // Asked for twice it is handed out once: what began to wait in between was not there before it.
        if !is_held && broken::jumped_the_line(config, self.state.redis.at(side), made.as_slice()) {
            self.state.slip = Some(Broken::OrderAtIndex);
        }
        made
    }

    fn read_log(&mut self, epoch: Epoch, cursor: Seq, size: u8) -> Option<()> {
        let store = &self.state.store;
        let to = cursor + size;
        if to > store.head {
            return None;
        }
        // The rows as they are now: newer than the page, if anything.
        let mut rows: Vec<Row> = store.log_between(cursor, to).iter().map(|row| store.rows.same(*row)).collect();
        rows.sort_unstable();
        rows.dedup();
        self.spawn(Actor::Advance { epoch, from: cursor, to, rows, is_tail: true });
        Some(())
    }

    fn command(&mut self, command: Command) {
        let config = self.config;
        let (store, left) = (&mut self.state.store, &mut self.state.left);
        let commit = match command {
            Command::Create(leg) => Some(store.create(config, leg, None)),
            Command::Accept(leg, agent) => Some(store.accept(leg, agent)),
            Command::End(leg) => Some(store.close(leg)),
            Command::Intern => Some(store.intern()),
            Command::Decline(leg, agent) => {
                left.declines -= 1;
                Some(store.decline(config, leg, agent))
            }
            Command::Cancel(leg) => {
                left.cancels -= 1;
                Some(store.close(leg))
            }
            Command::NewSession(agent) => {
                left.sessions -= 1;
                Some(store.new_session(config, agent))
            }
            Command::Leave(agent) => {
                left.leaves -= 1;
                Some(store.leave(config, agent))
            }
            Command::Regroup(agent) => {
                left.regroups -= 1;
                Some(store.regroup(agent))
            }
            Command::Lapse(leg) => {
                left.lapses -= 1;
                store.end_exclusions(config, leg)
            }
            Command::Widen(leg) => {
                left.widenings -= 1;
                Some(store.widen(leg))
            }
        };
        commit.into_iter().for_each(|commit| self.committed(commit));
    }

    fn lift(&mut self, leg: LegNo, ver: u8) {
        let row = self.state.store.rows.leg(leg);
        let must = self.state.store.must_lift(self.config, leg);
        if row.ver != ver || !row.waits() || !must && !self.config.has(Mutant::LiftFromRoster) {
            return;
        }
        if !must {
            self.state.slip = Some(Broken::LiftedEarly);
        }
        let commit = self.state.store.end_exclusions(self.config, leg);
        commit.into_iter().for_each(|commit| self.committed(commit));
    }

    fn step(&mut self, actor: Actor, side: Side) {
        let config = self.config;
        match actor {
            Actor::Create { leg, reserved } => self.create(leg, reserved.as_ref()),
            Actor::LateReserve { leg } => {
                self.ask(leg, side);
            }
            Actor::Propose(proposed) => match self.state.store.propose(config, &proposed) {
                Ok(commit) => self.offered(commit),
                Err(Refused { head }) => {
                    let row = Row::Leg(proposed.leg, self.state.store.rows.leg(proposed.leg));
                    self.spawn(Actor::Refuse { refused: proposed, head, row });
                }
            },
            Actor::Lift { leg, ver } => self.lift(leg, ver),
            Actor::Refuse { refused, head, row } => {
                let made = self.call(side, |slot| scripts::refuse(config, slot, &refused, head, row));
                self.hand_out(side, made);
            }
            Actor::Advance { epoch, from, to, rows, .. } => {
                match self.call(side, |slot| scripts::advance(config, slot, epoch, from, to, &rows)) {
                    Advanced::Ok(made) => self.hand_out(side, made),
                    // Dropped; a tailer covers it.
                    Advanced::Passed | Advanced::Refused => {}
                }
            }
            Actor::Load { epoch, step } => {
                if let Some(step) = self.load(epoch, step, side) {
                    self.spawn(Actor::Load { epoch, step });
                }
            }
            Actor::Audit { epoch, step } => self.audit(epoch, step, side),
            Actor::Again(actor) => {
                let others = self.state.actors.clone();
                self.step(*actor, side);
                self.state.actors = others;
                self.is_crowded = false;
            }
            Actor::Tail { .. } => unreachable!("a tailer that knows the cursor reads"),
        }
    }

    /// One step of a rebuild; `None`: refused, or done.
    fn load(&mut self, epoch: Epoch, step: Load, side: Side) -> Option<Load> {
        let config = self.config;
        match step {
            Load::Fenced => self.call(side, |slot| scripts::begin(slot, epoch)).then_some(Load::Begun),
            Load::Begun => Some(Load::Paging { h0: self.state.store.head, next: 0, sent: 0 }),
            Load::Paging { h0, next, sent } if next > config.legs => {
                Some(Load::Flipping { h0, sent, h1: self.state.store.head })
            }
            Load::Paging { h0, next, sent } => Some(match page_of(config, &self.state.store.rows, next) {
                Some(rows) => Load::Read { h0, next, sent, rows },
                None => Load::Paging { h0, next: next + 1, sent },
            }),
            Load::Read { h0, next, sent, rows } => {
                let is_loaded = self.call(side, |slot| scripts::load(config, slot, epoch, sent, &rows));
                is_loaded.then_some(Load::Paging { h0, next: next + 1, sent: sent + 1 })
            }
            Load::Flipping { h0, sent, h1 } => {
                self.call(side, |slot| scripts::flip(config, slot, epoch, sent, h0, h1));
                None
            }
        }
    }

    fn audit(&mut self, epoch: Epoch, step: Audit, side: Side) {
        let config = self.config;
        match step {
            Audit::Rows { head, before } => {
                let read = self.call(side, |slot| scripts::digest(config, slot, epoch, head));
                if let Some(view) = read.map(|rows| Box::new(Seen(rows))) {
                    self.spawn(Actor::Audit { epoch, step: Audit::View { before, view } });
                }
            }
            Audit::View { before, view } => self.compare(&before.0, &view.0),
        }
    }

    /// A difference seen twice in a row starts a rebuild. Where nothing rotted there must not be one even once; a mutant
    /// is given the second pass.
    fn compare(&mut self, before: &Rows, view: &Rows) {
        let differs = scripts::drifted(before, view, &self.state.store.rows);
        self.state.drift = if differs { self.state.drift + 1 } else { 0 };
        let patience = if self.config.mutant.is_some() { 2 } else { 1 };
        if self.config.budget.rots == 0 && self.state.drift >= patience {
            self.state.slip = Some(Broken::NeedlessRebuild);
        }
    }

    fn suffer(&mut self, fault: Fault) -> Option<()> {
        let left = &mut self.state.left;
        match fault {
            Fault::FollowerStops | Fault::Survives(_) => {}
            Fault::Failover => left.failovers -= 1,
            Fault::Split => left.splits -= 1,
            Fault::Lost => left.losses -= 1,
            Fault::Rot(_) => left.rots -= 1,
        }
        self.state.redis.suffer(self.config, fault)
    }
}
