//! Tasks of replicas. Each has read or written something and is about to do its next step, at any time, or never.
//!
//! Which replica a task belongs to makes no difference: replicas share nothing but the store and Redis. Three tasks at once
//! contain two replicas of which each may be paused anywhere, and come back.

use super::config::{Config, Mutant};
use super::redis::Redis;
use super::reservation::Reservation;
use super::rows::{Epoch, LegNo, Row, Rows, Seq};
use super::scripts::may_begin;
use super::store::Store;
use super::view::Slot;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    /// After R, before W.
    Create {
        leg: LegNo,
        reserved: Option<Reservation>,
    },
    /// R was sent, and whoever sent it has given up: its answer goes nowhere.
    LateReserve {
        leg: LegNo,
    },
    /// A reservation in hand, before its W.
    Propose(Reservation),
    /// W found the proposal stale; `refuse` is to be called. The row is what a mutant sends along.
    Refuse {
        refused: Reservation,
        head: Seq,
        row: Row,
    },
    /// Somebody saw that nobody is left who may take the leg, and is about to lift its exclusions.
    Lift {
        leg: LegNo,
        ver: u8,
    },
    /// Before A: of a commit, or of a page of the log.
    Advance {
        epoch: Epoch,
        from: Seq,
        to: Seq,
        rows: Vec<Row>,
        is_tail: bool,
    },
    /// A tailer that has read the cursor from Redis, and not yet the log.
    Tail {
        epoch: Epoch,
        cursor: Seq,
    },
    Load {
        epoch: Epoch,
        step: Load,
    },
    Audit {
        epoch: Epoch,
        step: Audit,
    },
    /// The call that this actor is about to make, or has made, on its way a second time; nobody hears the answer.
    Again(Box<Actor>),
}

/// Anti-entropy: rows, then the view once its cursor is where the log was, then the rows again. What did not change in
/// between must be the same in the view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Audit {
    Rows { head: Seq, before: Box<Seen> },
    View { before: Box<Seen>, view: Box<Seen> },
}

/// Rows that an audit has read, boxed and ordered so that they fit among the actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen(pub Rows);

impl PartialOrd for Seen {
    fn partial_cmp(&self, other: &Seen) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Seen {
    fn cmp(&self, other: &Seen) -> std::cmp::Ordering {
        let key = |seen: &Seen| (seen.0.legs, seen.0.agents, seen.0.wide);
        key(self).cmp(&key(other))
    }
}

/// Where a rebuild stands, after its transaction raised the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Load {
    Fenced,
    Begun,
    /// Before it reads the rows of page `next`; `sent` pages are loaded.
    Paging {
        h0: Seq,
        next: u8,
        sent: u8,
    },
    /// Rows read at some time, to be loaded at a later one.
    Read {
        h0: Seq,
        next: u8,
        sent: u8,
        rows: Vec<Row>,
    },
    Flipping {
        h0: Seq,
        sent: u8,
        h1: Seq,
    },
}

impl Actor {
    /// Exact: an actor that can change nothing any more, wherever its call goes, has ended.
    pub fn can_act(&self, config: &Config, store: &Store, redis: &Redis) -> bool {
        let reaches = |test: &dyn Fn(&Slot) -> bool| redis.slots().any(test);
        match self {
            Actor::Create { .. } | Actor::LateReserve { .. } => true,
            // Versions only rise: a stale proposal stays stale, and then the refusal is all that is left of it.
            Actor::Propose(proposed) => {
                let is_stale = store.rows.leg(proposed.leg).ver > proposed.leg_ver;
                !is_stale || config.mutant.is_some() || reaches(&|slot| may_hold(slot, proposed))
            }
            Actor::Lift { leg, ver } => store.rows.leg(*leg).ver == *ver,
            Actor::Refuse { refused, .. } => config.mutant.is_some() || reaches(&|slot| may_hold(slot, refused)),
            Actor::Advance { epoch, to, .. } => {
                let is_before = |slot: &Slot| match slot {
                    _ if config.has(Mutant::NoEpochCheck) => true,
                    Slot::Empty => true,
                    Slot::Loading(loading) => loading.epoch <= *epoch,
                    Slot::Live(view) => view.epoch < *epoch || view.epoch == *epoch && view.cursor < *to,
                };
                config.has(Mutant::NoCursorCheck) || reaches(&is_before)
            }
            Actor::Tail { epoch, .. } => reaches(&|slot| slot.epoch() == *epoch),
            Actor::Again(actor) => actor.can_act(config, store, redis),
            Actor::Load { .. } if config.has(Mutant::NoToken) => true,
            Actor::Load { epoch, step: Load::Fenced } => reaches(&|slot| may_begin(slot, *epoch)),
            Actor::Load { epoch, .. } => reaches(&|slot| matches!(slot, Slot::Loading(it) if it.epoch == *epoch)),
            Actor::Audit { epoch, step: Audit::Rows { .. } } => reaches(&|slot| slot.epoch() == *epoch),
            Actor::Audit { epoch, step: Audit::View { .. } } => *epoch == store.epoch,
        }
    }

    /// The lowest seq from which this actor will read the log, or give others to read.
    pub fn lowest_cursor(&self) -> Option<Seq> {
        match self {
            Actor::Tail { cursor, .. } => Some(*cursor),
            Actor::Again(actor) => actor.lowest_cursor(),
            Actor::Load { step, .. } => match step {
                Load::Fenced | Load::Begun => None,
                Load::Paging { h0, .. } | Load::Read { h0, .. } | Load::Flipping { h0, .. } => Some(*h0),
            },
            Actor::Create { .. }
            | Actor::LateReserve { .. }
            | Actor::Propose(_)
            | Actor::Lift { .. }
            | Actor::Refuse { .. }
            | Actor::Advance { .. }
            | Actor::Audit { .. } => None,
        }
    }

    /// Whether the next step is a call of a script.
    pub fn calls(&self) -> bool {
        match self {
            Actor::LateReserve { .. } | Actor::Refuse { .. } | Actor::Advance { .. } | Actor::Again(_) => true,
            Actor::Load { step, .. } => matches!(step, Load::Fenced | Load::Read { .. } | Load::Flipping { .. }),
            Actor::Audit { step, .. } => matches!(step, Audit::Rows { .. }),
            Actor::Create { .. } | Actor::Propose(_) | Actor::Lift { .. } | Actor::Tail { .. } => false,
        }
    }

    pub fn tails(&self) -> bool {
        matches!(self, Actor::Tail { .. } | Actor::Advance { is_tail: true, .. })
    }
}

/// Whether the view has, or may have once more, this reservation.
fn may_hold(slot: &Slot, reservation: &Reservation) -> bool {
    let view = slot.live().filter(|view| view.epoch == reservation.epoch);
    view.is_some_and(|view| view.rows.leg(reservation.leg).ver <= reservation.leg_ver)
}

/// The rows of page `page` of a load, as they are now: agents and lanes first, then a leg each. An empty page is not sent.
pub fn page_of(config: &Config, rows: &Rows, page: u8) -> Option<Vec<Row>> {
    if page == 0 {
        let agents = (0..config.agents).map(|agent| Row::Agent(agent, rows.agent(agent)));
        return Some(agents.chain(rows.wide.then_some(Row::Lane)).collect());
    }
    let leg = page - 1;
    let row = rows.leg(leg);
    row.state.is_open().then(|| vec![Row::Leg(leg, row)])
}
