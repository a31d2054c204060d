//! A desk in memory, driven by hand: each call decides, keeps the rows, and moves the index over the commit, as the engine's
//! writer does with its store. What the index proposes in return is committed before the call returns.
//!
//! Left out on purpose: diagnoses (why nobody takes a leg) and the candidates of decision records. Nothing that is simulated
//! here is decided by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::availability::memory::MemoryIndex;
use crate::availability::{self, Advanced, Change, RESERVATION, Reservation, rows};
use crate::domain::agent::Agent;
use crate::domain::event::Actor;
use crate::domain::id::{AgentId, AgentNo, DeskId, DeskKey, TenantId, TicketId};
use crate::domain::record::{DecisionRecord, OrderTerms, Trigger};
use crate::domain::requirement::{Band, Strategy};
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::policy::Policy;
use crate::routing::command::{Command, NewTicket, Proposed};
use crate::routing::decide::{Decision, decide_in_place, decide_rows};
use crate::routing::reject::Reject;
use crate::routing::roster::{Roster, TableChange};
use crate::routing::workset::WorkingSet;

/// The one epoch of the index's view: nothing is ever lost here.
const EPOCH: u64 = 1;
/// How often a command is decided again after lanes or groups were interned for it.
const MAX_INTERNS: u8 = 3;

/// Something that a correct router does not do, or a command that makes no sense on this desk.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the desk refuses {command}: {reject}")]
    Refused { command: String, reject: Reject },
    #[error("the desk refuses what its own index proposed for leg {leg}")]
    StaleProposal { leg: String },
    #[error(transparent)]
    Index(#[from] availability::Error),
    #[error("the availability view does not follow the log")]
    Behind,
}

pub struct World {
    rows: WorkingSet<'static>,
    index: MemoryIndex,
    roster: Roster,
    /// By number; numbers are dense, from 1.
    names: Vec<AgentId>,
    /// Entries of the log so far.
    head: u64,
    /// Rows changed since they were last asked for, in order, possibly more than once.
    tickets: Vec<TicketId>,
    agents: Vec<Standing>,
}

/// What an agent does after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub number: AgentNo,
    /// Percent of the fuller pool.
    pub load: u16,
    /// On duty, or still at the last piece of work.
    pub on_duty: bool,
}

/// What one commit changed, for the index.
#[derive(Default)]
struct Commit {
    entries: usize,
    tickets: Vec<TicketId>,
    agents: Vec<AgentId>,
    tables: TableChange,
}

impl World {
    /// A desk on a policy, with nobody on it.
    ///
    /// # Errors
    /// None that is expected.
    pub fn new(policy: Policy, now: Time) -> Result<World, Broken> {
        let key = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("simulated").expect("a name") };
        let index = MemoryIndex::new(RESERVATION);
        index.open(&key, EPOCH)?;
        let mut world = World {
            rows: WorkingSet::empty(key),
            index,
            roster: Roster::default(),
            names: Vec::new(),
            head: 0,
            tickets: Vec::new(),
            agents: Vec::new(),
        };
        world.rows.agents.note_changes();
        world.rows.tickets.note_changes();
        world.call(&Command::CreateDesk { display_name: Arc::from(""), time_zone: Arc::from("UTC") }, now)?;
        let scope = world.rows.scope.as_mut().expect("just created");
        let revision = policy.revision;
        Arc::make_mut(&mut scope.policies).insert(revision, Arc::new(policy));
        Arc::make_mut(&mut scope.desk).policy_rev = revision;
        Ok(world)
    }

    /// Carries out a command and all that follows from it at once.
    ///
    /// # Errors
    /// [`Broken::Refused`] when the desk refuses the command.
    pub fn call(&mut self, command: &Command, now: Time) -> Result<(), Broken> {
        let mut commit = Commit::default();
        self.decide(command, now, &mut commit)?;
        self.settle(commit, now)
    }

    /// Carries out a command that a newer state may have made pointless: a tick, an answer to an offer that is gone.
    ///
    /// # Errors
    /// As [`World::call`], a refusal apart.
    pub fn attempt(&mut self, command: &Command, now: Time) -> Result<(), Broken> {
        match self.call(command, now) {
            Err(Broken::Refused { reject: Reject::Stale | Reject::OfferGone { .. }, .. }) => Ok(()),
            outcome => outcome,
        }
    }

    /// Creates a ticket: offered in the same commit when somebody is free.
    ///
    /// # Errors
    /// As [`World::call`].
    pub fn create(&mut self, new: NewTicket, now: Time) -> Result<(), Broken> {
        let scope = self.rows.scope.as_ref().expect("the desk was created");
        let ask = rows::of_new(|agent| number(&self.rows, agent), scope, &new, now);
        let command = Command::CreateTicket(Box::new(new));
        let held = match ask {
            Some(ask) => self.index.reserve_at_once(&self.rows.key, EPOCH, self.head, vec![ask], now)?.pop().flatten(),
            // Its lane is not interned yet: the first of its kind waits for its own advance.
            None => None,
        };
        let mut commit = Commit::default();
        self.decide(&command, now, &mut commit)?;
        if let Some(held) = held {
            self.propose(&held, now, &mut commit)?;
        }
        self.settle(commit, now)
    }

    pub fn ticket(&self, id: TicketId) -> Option<&Arc<Ticket>> {
        self.rows.tickets.get(&id)
    }

    pub fn agent(&self, id: &AgentId) -> Option<&Arc<Agent>> {
        self.rows.agents.get(id)
    }

    /// Takes the names of tickets whose rows changed since the last call.
    pub fn changed_tickets(&mut self, into: &mut Vec<TicketId>) {
        into.append(&mut self.tickets);
    }

    /// Takes how agents whose rows changed since the last call stand.
    pub fn changed_agents(&mut self, into: &mut Vec<Standing>) {
        into.append(&mut self.agents);
    }

    /// A ticket that is over is asked for no more.
    pub fn forget(&mut self, id: TicketId) {
        self.rows.tickets.forget(&id);
    }

    fn decide(&mut self, command: &Command, now: Time, commit: &mut Commit) -> Result<(), Broken> {
        let refused = |reject| Broken::Refused { command: word(command), reject };
        let mut interns = 0;
        let decision = loop {
            match self.decided(command, now) {
                // In a commit of their own, as the engine does it.
                Err(Reject::NeedsIntern { lanes, groups }) if interns < MAX_INTERNS => {
                    interns += 1;
                    let mut commit = Commit::default();
                    self.decide(&Command::Intern { lanes, groups }, now, &mut commit)?;
                    self.settle(commit, now)?;
                }
                decided => break decided.map_err(refused)?,
            }
        };
        commit.entries += decision.events.len();
        decision.events.iter().for_each(|event| commit.tables.note(&event.body));
        commit.tickets.extend(self.rows.tickets.take_noted());
        commit.agents.extend(self.rows.agents.take_noted());
        Ok(())
    }

    /// Decides and changes the rows: in place what comes with every ticket. No hand-over is ever under way here, so none of these is
    /// refused after its first event.
    fn decided(&mut self, command: &Command, now: Time) -> Result<Decision, Reject> {
        match command {
            Command::CreateTicket(_)
            | Command::Propose { .. }
            | Command::AcceptOffer { .. }
            | Command::EndLeg { .. } => decide_in_place(&mut self.rows, command, &Actor::System, now),
            _ => {
                let (decision, changed) = decide_rows(&self.rows, command, &Actor::System, now)?;
                self.rows.absorb(changed);
                Ok(decision)
            }
        }
    }

    fn propose(&mut self, held: &Reservation, now: Time, commit: &mut Commit) -> Result<(), Broken> {
        let agents = held.agents.iter().filter_map(|(number, session)| {
            Some(Proposed { agent: self.names.get(number.0 as usize)?.clone(), number: *number, session: *session })
        });
        let command = Command::Propose {
            leg: held.leg,
            leg_ver: held.leg_ver,
            agents: agents.collect(),
            record: Box::new(record(held, now)),
        };
        let stale = |_| Broken::StaleProposal { leg: held.leg.to_string() };
        self.decide(&command, now, commit).map_err(stale)
    }

    /// Moves the index over a commit, and over those that follow from what it proposes.
    fn settle(&mut self, mut commit: Commit, now: Time) -> Result<(), Broken> {
        loop {
            let proposed = self.advance(commit, now)?;
            if proposed.is_empty() {
                return Ok(());
            }
            commit = Commit::default();
            for held in &proposed {
                self.propose(held, now, &mut commit)?;
            }
        }
    }

    fn advance(&mut self, mut commit: Commit, now: Time) -> Result<Vec<Reservation>, Broken> {
        if commit.entries == 0 {
            return Ok(Vec::new());
        }
        let change = self.change(&commit);
        let from = self.head;
        self.head += commit.entries as u64;
        self.tickets.append(&mut commit.tickets);
        match self.index.advance_at_once(&self.rows.key, EPOCH, from, self.head, change, now)? {
            Advanced::Applied { reservations, .. } => Ok(reservations),
            Advanced::Passed | Advanced::Behind { .. } => Err(Broken::Behind),
        }
    }

    fn change(&mut self, commit: &Commit) -> Change {
        let mut change = Change::default();
        if !commit.tables.is_empty() {
            let desk = &self.rows.scope.as_ref().expect("the desk was created").desk;
            change.serves = self.roster.set_tables(desk, &commit.tables).into_iter().map(rows::of_pair).collect();
        }
        let agents = once(&commit.agents);
        for agent in agents.filter_map(|id| self.rows.agents.get(id)) {
            if agent.number.0 as usize >= self.names.len() {
                self.names.resize(agent.number.0 as usize + 1, agent.id.clone());
            }
            change.agents.push(rows::of_agent(agent));
            let on_duty = agent.on_duty() || !agent.holds_nothing();
            self.agents.push(Standing { number: agent.number, load: agent.load_percent(), on_duty });
        }
        for ticket in once(&commit.tickets).filter_map(|id| self.rows.tickets.get(id)) {
            let legs = ticket.legs.iter();
            change.legs.extend(legs.map(|leg| rows::of_leg(|agent| number(&self.rows, agent), ticket, leg)));
        }
        change
    }
}

fn number(rows: &WorkingSet<'_>, agent: &AgentId) -> Option<AgentNo> {
    rows.agents.get(agent).map(|row| row.number)
}

/// Each once: a commit touches few rows, and some of them with every command.
fn once<T: PartialEq>(ids: &[T]) -> impl Iterator<Item = &T> {
    ids.iter().enumerate().filter(|(at, id)| !ids[..*at].contains(id)).map(|(_, id)| id)
}

/// A record without candidates: nobody reads it here.
fn record(held: &Reservation, now: Time) -> DecisionRecord {
    DecisionRecord {
        roster_seq: held.cursor,
        decide_time: now,
        policy_rev: 0,
        trigger: Trigger::LegArrived,
        order: OrderTerms { band: Band::Live, virtual_arrival_time: now, ahead: held.ahead },
        strategy: Strategy::Scarce,
        preferred: None,
        candidates: Vec::new(),
        omitted: 0,
        unfit: BTreeMap::new(),
    }
}

/// The command's kind, for a message.
fn word(command: &Command) -> String {
    let text = format!("{command:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
