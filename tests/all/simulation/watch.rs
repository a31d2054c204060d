//! What must hold of the store at every moment, whatever the weather: judged from its transactions, one after another, and
//! from a fold of the log beside them (I2, I3, I4, I9, I12).

use std::sync::Arc;

use handoff::domain::agent::Agent;
use handoff::domain::event::{Body, Entry, Event};
use handoff::domain::id::{AgentId, DeskKey};
use handoff::routing::evolve::evolve;
use handoff::routing::workset::WorkingSet;

use super::calls::Effects;
use super::repair;
use super::store::{Commit, Ground};
use super::trace::Trace;
use crate::pure::checks::{self, Checked};

pub struct Watch {
    ground: Arc<Ground>,
    key: DeskKey,
    trace: Trace,
    /// The log so far, folded.
    folded: WorkingSet<'static>,
    /// The last number of the log.
    pub head: u64,
    effects: Effects,
}

impl Watch {
    pub fn new(ground: Arc<Ground>, key: DeskKey, trace: Trace) -> Watch {
        ground.watch();
        let folded = WorkingSet::empty(key.clone());
        Watch { ground, key, trace, folded, head: 0, effects: Effects::default() }
    }

    /// Judges what was committed since it last looked.
    pub fn look(&mut self) -> Checked {
        for commit in self.ground.journal() {
            self.commit(&commit)?;
        }
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Checked {
        self.effects.note(&commit.answers)?;
        for entry in &commit.entries {
            self.entry(entry)?;
        }
        for (before, after) in &commit.tickets {
            let mine = commit.entries.iter().filter(|entry| entry.event.ticket == Some(after.id)).count() as u64;
            let known = before.as_ref().map_or(0, |row| row.ver);
            if after.ver != known + mine {
                return Err(format!("I3: version {} after {known} and {mine} entries: {after:?}", after.ver));
            }
            checks::row(after, before.as_deref())?;
            if self.folded.tickets.get(&after.id) != Some(after) {
                let folded = self.folded.tickets.get(&after.id);
                return Err(format!("folding the log gives another ticket:\n{folded:?}\n{after:?}"));
            }
        }
        for (_, after) in &commit.agents {
            if self.folded.agents.get(&after.id) != Some(after) {
                let folded = self.folded.agents.get(&after.id);
                return Err(format!("folding the log gives another agent:\n{folded:?}\n{after:?}"));
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Checked {
        self.trace.say(|| format!("log {} {:?}", entry.seq, entry.event));
        if entry.seq != self.head + 1 {
            return Err(format!("I9: entry {} after {}", entry.seq, self.head));
        }
        self.head = entry.seq;
        checks::before_event(&self.folded, &entry.event)?;
        self.offered_to_who_can(&entry.event)?;
        let booked: Vec<Arc<Agent>> =
            booking(&entry.event).into_iter().filter_map(|agent| self.folded.agents.get(agent)).cloned().collect();
        evolve(&mut self.folded, &entry.event);
        for known in booked {
            let now = self.folded.agents.get(&known.id).ok_or("an agent vanished")?;
            checks::within(&known, now).map_err(|broken| format!("I2: {broken} by {:?}", entry.event))?;
        }
        Ok(())
    }

    /// An offer goes to somebody who has what the leg needs, or is asked for by name, and is not excluded.
    fn offered_to_who_can(&self, event: &Event) -> Checked {
        let Body::Offered { leg, offers, .. } = &event.body else { return Ok(()) };
        let ticket = event.ticket.and_then(|id| self.folded.tickets.get(&id)).ok_or("an offer of no ticket")?;
        let leg = ticket.leg(*leg).ok_or("an offer of no leg")?;
        for offer in offers {
            let agent = self.folded.agents.get(&offer.agent).ok_or("an offer to nobody")?;
            if !repair::may_take(&self.folded, leg, agent) {
                return Err(format!("offered to somebody who does not fit: {agent:?} {leg:?}"));
            }
        }
        Ok(())
    }

    /// Judges all rows together.
    pub fn all(&mut self) -> Checked {
        self.look()?;
        let look = |rows: &WorkingSet<'static>, head: u64| {
            if head != self.head {
                return Err(format!("I9: the log ends at {head}, the last entry was {}", self.head));
            }
            for agent in rows.agents.own().values() {
                checks::booked(rows.tickets.own().values(), agent)?;
            }
            checks::conversations(rows)
        };
        self.ground.look(&self.key, look).unwrap_or(Ok(()))
    }

    /// Folds the log as it is kept, from nothing.
    pub fn fold(&mut self) -> Checked {
        self.all()?;
        let mut folded = WorkingSet::empty(self.key.clone());
        for entry in self.ground.log(&self.key) {
            evolve(&mut folded, &entry.event);
        }
        self.ground.look(&self.key, |rows, _| checks::fold_to(&folded, rows)).unwrap_or(Ok(()))
    }
}

/// Whom an event books.
fn booking(event: &Event) -> Vec<&AgentId> {
    match &event.body {
        Body::Offered { offers, .. } => offers.iter().map(|offer| &offer.agent).collect(),
        Body::Placed { offer, .. } => vec![&offer.agent],
        _ => Vec::new(),
    }
}
