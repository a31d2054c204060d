//! The scripts: each function is one atomic call on the slot, under the name that it has in Redis.
//!
//! Those that change a live view end by restoring its property, *no waiting leg beside an eligible free agent*, and answer
//! the reservations that this brought.

use super::config::{Config, Mutant};
use super::reservation::Reservation;
use super::rows::{AGENTS, AgentNo, Epoch, LEGS, LegNo, LegRow, LegState, Row, Rows, Seq};
use super::view::{Hold, Loading, NOTHING, Slot, View, put};

/// Holds agents for a leg about to be created, or nobody; never enqueues.
pub fn reserve(config: &Config, slot: &mut Slot, epoch: Epoch, seen: Seq, ask: (LegNo, LegRow)) -> Option<Reservation> {
    let view = slot.at(config, epoch)?;
    let is_behind = view.cursor < seen && !config.has(Mutant::ReserveBelowHead);
    let is_unmatched = view.unmatched.is_some() && !config.has(Mutant::MatchWhileUnmatched);
    let (leg, row) = ask;
    // Late: a leg that is in the view is served from there.
    if is_behind || is_unmatched || view.rows.leg(leg).ver > 0 {
        return None;
    }
    // Asked for twice: the same one.
    if let Some(hold) = view.hold(leg) {
        return Some(hold.reservation);
    }
    let made = view.choose(config, leg, &row);
    if made.is_none() && config.has(Mutant::ReserveEnqueues) {
        view.rows.put(Row::Leg(leg, LegRow { state: LegState::Waiting, ..row }));
    }
    made
}

/// What `advance` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advanced {
    Ok(Vec<Reservation>),
    /// At or past `to`: done.
    Passed,
    /// Before `from`, or of another epoch: nothing changed.
    Refused,
}

/// The only script that writes log state. Moves the view over (from, to]; the rows were read at or after `to`.
pub fn advance(config: &Config, slot: &mut Slot, epoch: Epoch, from: Seq, to: Seq, rows: &[Row]) -> Advanced {
    let Some(view) = slot.at(config, epoch) else { return Advanced::Refused };
    if !config.has(Mutant::NoCursorCheck) {
        if view.cursor >= to {
            return Advanced::Passed;
        }
        if view.cursor < from {
            return Advanced::Refused;
        }
    }
    let brings_lane = rows.contains(&Row::Lane) && !view.rows.wide;
    rows.iter().for_each(|row| view.put(config, *row));
    view.cursor = to;
    let cursor = view.cursor;
    for hold in &mut view.holds {
        *hold = hold.filter(|hold| hold.refused.is_none_or(|head| head > cursor));
    }
    if brings_lane && config.has(Mutant::LaneArrivesUnmatched) {
        return Advanced::Ok(Vec::new());
    }
    Advanced::Ok(settle(config, view))
}

/// The store refused a proposal in a transaction that saw `head`: the hold is kept until the cursor is there.
pub fn refuse(config: &Config, slot: &mut Slot, refused: &Reservation, head: Seq, row: Row) -> Vec<Reservation> {
    let Some(view) = slot.at(config, refused.epoch) else { return Vec::new() };
    if config.has(Mutant::RefusalWithRows) {
        view.put(config, row);
        view.holds[usize::from(refused.leg)] = None;
        return settle(config, view);
    }
    let at = usize::from(refused.leg);
    let Some(hold) = view.holds[at].filter(|hold| hold.reservation.leg_ver == refused.leg_ver) else {
        return Vec::new();
    };
    // Refused twice: both causes lie at or below the higher head.
    let head = hold.refused.map_or(head, |before| before.max(head));
    if head <= view.cursor {
        view.holds[at] = None;
        return settle(config, view);
    }
    view.holds[at] = Some(Hold { refused: Some(head), ..hold });
    Vec::new()
}

/// Lapses the reservation of a leg: its agents are free, the leg waits again.
pub fn expire(config: &Config, slot: &mut Slot, epoch: Epoch, leg: LegNo) -> Vec<Reservation> {
    let Some(view) = slot.at(config, epoch) else { return Vec::new() };
    view.holds[usize::from(leg)] = None;
    settle(config, view)
}

/// `lost` finds a session without heartbeats: it gets no new offers. Nobody becomes free by that.
pub fn suspect(config: &Config, slot: &mut Slot, epoch: Epoch, agent: AgentNo) -> Vec<Reservation> {
    if let Some(view) = slot.at(config, epoch) {
        view.suspects = view.suspects.with(agent);
    }
    Vec::new()
}

/// The session beats again, and is matched.
pub fn beat(config: &Config, slot: &mut Slot, epoch: Epoch, agent: AgentNo) -> Vec<Reservation> {
    let Some(view) = slot.at(config, epoch) else { return Vec::new() };
    view.suspects = view.suspects.without(agent);
    if config.has(Mutant::BeatMatchesUnmatched) { serve_line(config, view, usize::MAX) } else { settle(config, view) }
}

/// As if all waiting legs were gone through in the order of their keys and each took the best agents still free.
fn settle(config: &Config, view: &mut View) -> Vec<Reservation> {
    if view.unmatched.is_some() && !config.has(Mutant::MatchWhileUnmatched) {
        return Vec::new();
    }
    serve_line(config, view, usize::MAX)
}

fn serve_line(config: &Config, view: &mut View, limit: usize) -> Vec<Reservation> {
    let mut made = Vec::new();
    for leg in 0..config.legs {
        if made.len() < limit && view.stands_in_line(leg) {
            let row = view.rows.leg(leg);
            made.extend(view.choose(config, leg, &row));
        }
    }
    made
}

/// Fences the old epoch and starts a view of a new one. Refused unless the epoch is higher than any begun before. Twice
/// with the same token: the load starts again from page 0.
pub fn begin(slot: &mut Slot, epoch: Epoch) -> bool {
    let may = may_begin(slot, epoch);
    if may {
        *slot = Slot::Loading(Loading { epoch, pages: 0, rows: NOTHING });
    }
    may
}

pub fn may_begin(slot: &Slot, epoch: Epoch) -> bool {
    epoch > slot.epoch() || matches!(slot, Slot::Loading(loading) if loading.epoch == epoch)
}

/// Fills the page `page` of the new view; refused unless it is the next.
pub fn load(config: &Config, slot: &mut Slot, epoch: Epoch, page: u8, rows: &[Row]) -> bool {
    let Slot::Loading(loading) = slot else { return false };
    let is_next = loading.pages == page || config.has(Mutant::NoPageCount);
    if !is_of(config, loading, epoch) || !is_next {
        return false;
    }
    for row in rows {
        put(config, &mut loading.rows, *row);
    }
    loading.pages += 1;
    true
}

/// Makes the new view the desk's, at h0; refused unless all its pages are there. Nothing is matched before h1.
pub fn flip(config: &Config, slot: &mut Slot, epoch: Epoch, pages: u8, h0: Seq, h1: Seq) -> bool {
    let Slot::Loading(loading) = *slot else { return false };
    let is_whole = loading.pages == pages || config.has(Mutant::NoPageCount);
    if !is_of(config, &loading, epoch) || !is_whole {
        return false;
    }
    let cursor = if config.has(Mutant::FlipAtHead) { h1 } else { h0 };
    let unmatched = (!config.has(Mutant::NoUnmatchedMark)).then_some(h1);
    *slot = Slot::Live(View { unmatched, ..View::new(loading.epoch, cursor, loading.rows) });
    true
}

/// `match`, a keyword here: serves what waits after a rebuild, in order-key order. Clears the mark when a call served fewer
/// than its limit: legs served count, not legs looked at, or the first page of legs that nobody can take would end it.
pub fn match_waiting(config: &Config, slot: &mut Slot, epoch: Epoch) -> Vec<Reservation> {
    let Some(view) = slot.at(config, epoch) else { return Vec::new() };
    let Some(h1) = view.unmatched else { return Vec::new() };
    if view.cursor < h1 && !config.has(Mutant::MatchBeforeHead) {
        return Vec::new();
    }
    let made = serve_line(config, view, config.match_limit);
    if made.len() < config.match_limit || config.has(Mutant::MatchClearsEarly) {
        view.unmatched = None;
    }
    made
}

/// The token: pages of another load stay out.
fn is_of(config: &Config, loading: &Loading, token: Epoch) -> bool {
    loading.epoch == token || config.has(Mutant::NoToken)
}

/// What the view has of the log, once its cursor is at `head`.
pub fn digest(config: &Config, slot: &mut Slot, epoch: Epoch, head: Seq) -> Option<Rows> {
    let view = slot.at(config, epoch)?;
    (view.cursor >= head || config.has(Mutant::DigestAcrossCursors)).then_some(view.rows)
}

/// What a view at the end of the log has: closed legs are in none.
pub fn view_of(rows: &Rows) -> Rows {
    let mut open = *rows;
    let closed = open.legs.iter_mut().filter(|leg| matches!(leg.state, LegState::Absent | LegState::Done));
    closed.for_each(|leg| *leg = LegRow::ABSENT);
    open
}

/// Whether a row that did not change between two readings of the store is another one in the view between them.
pub fn drifted(before: &Rows, view: &Rows, after: &Rows) -> bool {
    let open = view_of(after);
    let legs = (0..LEGS).filter(|leg| before.legs[*leg] == after.legs[*leg] && after.legs[*leg].ver > 0);
    let agents = (0..AGENTS).filter(|agent| before.agents[*agent] == after.agents[*agent]);
    !legs.into_iter().all(|leg| view.legs[leg] == open.legs[leg])
        || !agents.into_iter().all(|agent| view.agents[agent] == after.agents[agent])
        || before.wide && !view.wide
}
