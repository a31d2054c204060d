//! The store: rows, and a dense log whose entries carry them. Every function is one transaction of W.
//!
//! It is serialised by the lock on the desk's head, so a transaction is one step here.

use super::config::{Config, Mutant};
use super::reservation::Reservation;
use super::rows::{AGENTS, AgentNo, AgentRow, Agents, Epoch, Lane, LegNo, LegRow, LegState, Row, Rows, Seq, Session};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    /// Raised by every rebuild.
    pub epoch: Epoch,
    pub head: Seq,
    pub rows: Rows,
    /// The log after `cut`, and the rows as they were there. What no cursor can ask for any more is cut off.
    log: Vec<Row>,
    cut: Seq,
    base: Rows,
}

/// What a transaction wrote: the interval of the log and the rows, read in the transaction itself.
#[derive(Clone, Debug)]
pub struct Commit {
    pub from: Seq,
    pub to: Seq,
    pub rows: Vec<Row>,
}

/// The transaction found its proposal stale, and saw this head.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    pub head: Seq,
}

impl Store {
    pub fn new(rows: Rows) -> Store {
        Store { epoch: 1, head: 0, rows, log: Vec::new(), cut: 0, base: rows }
    }

    /// The rows as they were when the log ended at `cursor`.
    pub fn rows_at(&self, cursor: Seq) -> Rows {
        let mut rows = self.base;
        self.log[..usize::from(cursor - self.cut)].iter().for_each(|row| rows.put(*row));
        rows
    }

    /// The entries after `from` up to `to`.
    pub fn log_between(&self, from: Seq, to: Seq) -> &[Row] {
        &self.log[usize::from(from - self.cut)..usize::from(to - self.cut)]
    }

    /// The row of this version, where the log still has it.
    pub fn is_known(&self, row: Row) -> bool {
        self.base.same(row) == row || self.log.contains(&row)
    }

    /// Whether each entry raises the version of its row by one.
    pub fn is_dense(&self) -> bool {
        let mut rows = self.base;
        self.log.iter().all(|row| {
            let before = rows.same(*row);
            rows.put(*row);
            match (before, *row) {
                (Row::Leg(_, before), Row::Leg(_, after)) => after.ver == before.ver + 1,
                (Row::Agent(_, before), Row::Agent(_, after)) => after.ver == before.ver + 1,
                (Row::Lane, _) | (_, Row::Lane) | (Row::Leg(..), _) | (Row::Agent(..), _) => true,
            }
        })
    }

    /// Cuts off what lies at or below the lowest cursor that anybody reads from. Exact: nothing asks for it again.
    pub fn cut(&mut self, lowest: Seq) {
        let cut = usize::from(lowest.min(self.head).saturating_sub(self.cut));
        for row in self.log.drain(..cut) {
            self.base.put(row);
            self.cut += 1;
        }
    }

    pub fn raise_epoch(&mut self) -> Epoch {
        self.epoch += 1;
        self.epoch
    }

    /// A ticket's leg: OFFERED when agents were held for it and still pass the guards, else WAITING.
    pub fn create(&mut self, config: &Config, leg: LegNo, reserved: Option<&Reservation>) -> Commit {
        let mut row = self.rows.leg(leg);
        row.state = LegState::Waiting;
        let fit = reserved.map_or([0; _], |reserved| self.fit(config, leg, reserved));
        if fit.iter().any(|session| *session != 0) {
            row.state = LegState::Offered(fit);
        }
        self.write_leg(leg, row)
    }

    /// A proposal: guards in the committing transaction, whatever the index says.
    pub fn propose(&mut self, config: &Config, proposed: &Reservation) -> Result<Commit, Refused> {
        let mut row = self.rows.leg(proposed.leg);
        let current = row.waits() && row.ver == proposed.leg_ver;
        let fit = self.fit(config, proposed.leg, proposed);
        if !current && !config.has(Mutant::NoVersionGuard) || fit.iter().all(|session| *session == 0) {
            return Err(Refused { head: self.head });
        }
        let mut offers = match row.state {
            LegState::Offered(offers) => offers,
            LegState::Absent | LegState::Waiting | LegState::Held(_) | LegState::Done => [0; _],
        };
        offers.iter_mut().zip(fit).filter(|(_, new)| *new != 0).for_each(|(offer, new)| *offer = new);
        row.state = LegState::Offered(offers);
        Ok(self.write_leg(proposed.leg, row))
    }

    /// Those of the proposed agents who pass the guards; whoever fails one is left out.
    fn fit(&self, config: &Config, leg: LegNo, proposed: &Reservation) -> [Session; AGENTS] {
        let row = self.rows.leg(leg);
        let passes = |agent: AgentNo, session: Session| {
            let known = self.rows.agent(agent);
            let is_current = known.session == session || config.has(Mutant::NoSessionGuard);
            let is_ready = known.on_duty || config.has(Mutant::NoReadyGuard);
            let has_room = self.rows.load(agent) < config.capacity || config.has(Mutant::NoCapacityGuard);
            let fits = row.lane.is_served_by(known.group) || config.has(Mutant::NoFitGuard);
            session != 0 && is_current && is_ready && has_room && fits && !row.excluded.has(agent)
        };
        let mut fit = proposed.sessions;
        (0..).zip(&mut fit).filter(|(agent, session)| !passes(*agent, **session)).for_each(|(_, it)| *it = 0);
        fit
    }

    /// The first accept; parallel offers to others end with it.
    pub fn accept(&mut self, leg: LegNo, agent: AgentNo) -> Commit {
        let mut row = self.rows.leg(leg);
        row.state = LegState::Held(agent);
        self.write_leg(leg, row)
    }

    /// The offer ends; with no other open, the leg waits again.
    pub fn decline(&mut self, config: &Config, leg: LegNo, agent: AgentNo) -> Commit {
        let mut row = self.rows.leg(leg);
        row.state = without(row.state, agent);
        if config.decline_excludes {
            row.excluded = row.excluded.with(agent);
        }
        if config.has(Mutant::DeclineKeepsVersion) && !row.waits() {
            return self.write(&[Row::Leg(leg, row)]);
        }
        self.write_leg(leg, row)
    }

    /// The work ended, or the ticket was cancelled.
    pub fn close(&mut self, leg: LegNo) -> Commit {
        let row = self.rows.leg(leg);
        self.write_leg(leg, LegRow { state: LegState::Done, excluded: Agents::NOBODY, ..row })
    }

    /// A new session: open offers to the old one are revoked in the same commit. Held legs move to the new one.
    pub fn new_session(&mut self, config: &Config, agent: AgentNo) -> Commit {
        let row = self.rows.agent(agent);
        let row = AgentRow { ver: row.ver + 1, session: row.session + 1, on_duty: true, ..row };
        let keeps = config.has(Mutant::SessionKeepsOffers);
        let revoked = if keeps { Vec::new() } else { self.revoked(config, agent) };
        self.write(&[vec![Row::Agent(agent, row)], revoked].concat())
    }

    /// BREAK, OFFLINE or LOST: open offers are revoked, held legs stay.
    pub fn leave(&mut self, config: &Config, agent: AgentNo) -> Commit {
        let row = self.rows.agent(agent);
        let row = AgentRow { ver: row.ver + 1, on_duty: false, ..row };
        let revoked = self.revoked(config, agent);
        self.write(&[vec![Row::Agent(agent, row)], revoked].concat())
    }

    /// The legs offered to the agent, as they are without those offers.
    fn revoked(&self, config: &Config, agent: AgentNo) -> Vec<Row> {
        let legs = (0..config.legs).map(|leg| (leg, self.rows.leg(leg)));
        let offered =
            legs.filter(|(_, row)| matches!(row.state, LegState::Offered(_)) && row.state.agents().has(agent));
        let revoked = |(leg, row): (LegNo, LegRow)| {
            Row::Leg(leg, LegRow { ver: row.ver + 1, state: without(row.state, agent), ..row })
        };
        offered.map(revoked).collect()
    }

    /// The agent's profile loses what the narrow lane needs.
    pub fn regroup(&mut self, agent: AgentNo) -> Commit {
        let mut row = self.rows.agent(agent);
        row.ver += 1;
        row.group = 1;
        self.write(&[Row::Agent(agent, row)])
    }

    /// Exclusions of a waiting leg end: by their time, or because nobody else is on duty.
    pub fn end_exclusions(&mut self, config: &Config, leg: LegNo) -> Option<Commit> {
        let mut row = self.rows.leg(leg);
        row.excluded = Agents::NOBODY;
        if config.has(Mutant::SilentLapse) {
            self.rows.put(Row::Leg(leg, row));
            return None;
        }
        Some(self.write_leg(leg, row))
    }

    /// The never-empty rule: a waiting leg whose exclusions leave nobody on duty who serves its lane, whatever their load.
    pub fn must_lift(&self, config: &Config, leg: LegNo) -> bool {
        let row = self.rows.leg(leg);
        let mut able = (0..config.agents).filter(|agent| {
            let known = self.rows.agent(*agent);
            known.on_duty && row.lane.is_served_by(known.group)
        });
        let has_able = able.clone().next().is_some();
        row.waits() && has_able && able.all(|agent| row.excluded.has(agent))
    }

    /// A waiting leg goes on in the wide lane, at its place in line.
    pub fn widen(&mut self, leg: LegNo) -> Commit {
        let row = self.rows.leg(leg);
        self.write_leg(leg, LegRow { lane: Lane::Wide, ..row })
    }

    /// The wide lane gets its number, in a transaction of its own before anybody uses it.
    pub fn intern(&mut self) -> Commit {
        self.write(&[Row::Lane])
    }

    fn write_leg(&mut self, leg: LegNo, row: LegRow) -> Commit {
        self.write(&[Row::Leg(leg, LegRow { ver: row.ver + 1, ..row })])
    }

    /// Appends the entries last, under the lock on the head.
    fn write(&mut self, rows: &[Row]) -> Commit {
        let from = self.head;
        for row in rows {
            self.rows.put(*row);
            self.log.push(*row);
            self.head += 1;
        }
        Commit { from, to: self.head, rows: rows.to_vec() }
    }
}

fn without(state: LegState, agent: AgentNo) -> LegState {
    let LegState::Offered(mut offers) = state else { return state };
    offers[usize::from(agent)] = 0;
    if offers.iter().all(|session| *session == 0) { LegState::Waiting } else { LegState::Offered(offers) }
}
