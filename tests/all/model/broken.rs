//! What must hold: in every state, and of every step that a script or a transaction takes.

use super::config::{Config, Mutant};
use super::protocol::State;
use super::redis::Follower;
use super::reservation::Reservation;
use super::rows::{AgentNo, LegNo, LegRow, LegState, Row, Rows};
use super::store::{Commit, Store};
use super::view::{Slot, View};

/// An invariant of the design page that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// I2: an agent carries more than its capacity.
    Capacity,
    /// I3: more open offers than wanted, or an offer beside a holder.
    SingleHolder,
    /// I3: versions are dense, one entry of the log for each.
    DenseVersions,
    /// An open offer to a session that is not current.
    OldSession,
    /// An offer was made to an agent whose group does not serve the leg's lane at that moment.
    Misfit,
    /// An offer was made to an agent who was not READY at that moment.
    OffDuty,
    /// An offer to an agent whom the leg excludes.
    Excluded,
    /// An exclusion was lifted while another agent who could take the leg was on duty.
    LiftedEarly,
    /// The view's cursor is past the log.
    CursorPastHead,
    /// I7: what the log said at or below the cursor is not in the view.
    Missing,
    /// I7: the view has another content at a version than the log.
    OtherContent,
    /// The view has a live leg that is closed at or below its cursor.
    ClosedLegLives,
    /// The view has a version that the store never had.
    Phantom,
    /// A row of the view, or its cursor, went back without a failover.
    ViewWentBack,
    /// I5 at the index: a waiting leg beside an eligible free agent after a script.
    StrandedAtIndex,
    /// I6 at the index: an agent was given a leg while an eligible one with a smaller key waited.
    OrderAtIndex,
    /// A view below h1 served a leg before one with a smaller key that the log had as waiting at h1.
    OrderAfterLoad,
    /// I6 in the store, for a client that waits for each answer and calls one replica, without faults.
    Overtaken,
    /// Anti-entropy would rebuild a view that lost nothing.
    NeedlessRebuild,
    /// After repair, I5: a waiting leg beside an eligible free agent.
    Stranded,
    /// After repair, I12: an open leg that the view does not know at its version.
    Limbo,
    /// After repair: an agent is held for nothing.
    HeldForNothing,
    /// After repair: all who could take a waiting leg are excluded from it, for ever.
    NobodyLeft,
    /// After repair: digest and rows differ, though nothing was lost by nobody's doing.
    NeedsAntiEntropy,
    /// Repair does not come to an end.
    NoEnd,
}

pub fn find(config: &Config, state: &State) -> Option<Broken> {
    if state.slip.is_some() {
        return state.slip;
    }
    let other = match &state.redis.follower {
        Follower::Master { slot, .. } => slot.live(),
        Follower::InStep | Follower::Behind(_) => None,
    };
    let views = state.redis.master.live().into_iter().chain(other).filter(|view| !view.is_rotten);
    let is_dense = state.store.is_dense() || config.has(Mutant::DeclineKeepsVersion);
    in_store(config, &state.store.rows)
        .or_else(|| (!is_dense).then_some(Broken::DenseVersions))
        .or_else(|| views.filter_map(|view| in_view(config, &state.store, view)).next())
}

fn in_store(config: &Config, rows: &Rows) -> Option<Broken> {
    if (0..config.agents).any(|agent| rows.load(agent) > config.capacity) {
        return Some(Broken::Capacity);
    }
    for (leg, row) in rows.legs.iter().enumerate() {
        let LegState::Offered(offers) = row.state else { continue };
        if row.state.agents().len() > u32::from(config.want[leg]) {
            return Some(Broken::SingleHolder);
        }
        for (agent, session) in (0..).zip(offers).filter(|(_, session)| *session != 0) {
            let agent = rows.agent(agent);
            if agent.session != session {
                return Some(Broken::OldSession);
            }
        }
        if row.state.agents().iter().any(|agent| row.excluded.has(agent)) {
            return Some(Broken::Excluded);
        }
    }
    None
}

fn in_view(config: &Config, store: &Store, view: &View) -> Option<Broken> {
    if view.cursor > store.head {
        return Some(Broken::CursorPastHead);
    }
    let then = store.rows_at(view.cursor);
    (0..config.legs)
        .filter_map(|leg| leg_in_view(store, &then, view, leg))
        .next()
        .or_else(|| (0..config.agents).filter_map(|agent| agent_in_view(store, &then, view, agent)).next())
        .or_else(|| (then.wide && !view.rows.wide).then_some(Broken::Missing))
        .or_else(|| (view.unmatched.is_none() && is_stranded_at_index(config, view)).then_some(Broken::StrandedAtIndex))
}

/// I7. A leg that closed later may already be absent, since a row that was read may be newer than the cursor.
fn leg_in_view(store: &Store, then: &Rows, view: &View, leg: LegNo) -> Option<Broken> {
    let (now, then, seen) = (store.rows.leg(leg), then.leg(leg), view.rows.leg(leg));
    if seen.ver == 0 && seen.state != LegState::Absent || seen.ver > now.ver {
        return Some(Broken::Phantom);
    }
    if seen.ver == 0 {
        return (then.state.is_open() && now.state != LegState::Done).then_some(Broken::Missing);
    }
    if then.state == LegState::Done {
        return Some(Broken::ClosedLegLives);
    }
    if seen.ver < then.ver {
        return Some(Broken::Missing);
    }
    (!store.is_known(Row::Leg(leg, seen))).then_some(Broken::OtherContent)
}

fn agent_in_view(store: &Store, then: &Rows, view: &View, agent: AgentNo) -> Option<Broken> {
    let (now, then, seen) = (store.rows.agent(agent), then.agent(agent), view.rows.agent(agent));
    if seen.ver > now.ver {
        return Some(Broken::Phantom);
    }
    if seen.ver < then.ver {
        return Some(Broken::Missing);
    }
    (seen.ver > 0 && !store.is_known(Row::Agent(agent, seen))).then_some(Broken::OtherContent)
}

fn is_stranded_at_index(config: &Config, view: &View) -> bool {
    let takes =
        |leg: LegNo, agent: AgentNo| view.is_free(config, agent) && view.may_take(config, &view.rows.leg(leg), agent);
    let mut waiting = (0..config.legs).filter(|leg| view.stands_in_line(*leg));
    waiting.any(|leg| (0..config.agents).any(|agent| takes(leg, agent)))
}

/// Whether a script took a row, or the cursor, of a view back. A leg that is absent has no version to go back from.
pub fn went_back(before: &Slot, after: &Slot) -> bool {
    let (Slot::Live(before), Slot::Live(after)) = (before, after) else { return false };
    let legs = before.rows.legs.iter().zip(&after.rows.legs);
    let agents = before.rows.agents.iter().zip(&after.rows.agents);
    before.epoch == after.epoch
        && (after.cursor < before.cursor
            || legs.into_iter().any(|(before, after)| after.ver != 0 && after.ver < before.ver)
            || agents.into_iter().any(|(before, after)| after.ver < before.ver))
}

/// Whether an agent was handed out while a leg with a smaller key that the agent could take goes on waiting.
pub fn jumped_the_line(config: &Config, slot: &Slot, made: &[Reservation]) -> bool {
    let Slot::Live(view) = slot else { return false };
    made.iter().any(|reservation| {
        let earlier = (0..reservation.leg).filter(|leg| view.stands_in_line(*leg));
        earlier.into_iter().any(|leg| {
            let row = view.rows.leg(leg);
            reservation.agents().iter().any(|agent| view.may_take(config, &row, agent))
        })
    })
}

/// Whether a script below h1 served a leg while one with a smaller key, waiting at h1 and ever since, is not in the view yet.
pub fn jumped_the_log(store: &Store, slot: &Slot, made: &[Reservation]) -> bool {
    let Slot::Live(view) = slot else { return false };
    let Some(h1) = view.unmatched.filter(|h1| *h1 > view.cursor) else { return false };
    let then = store.rows_at(h1);
    let waits_on =
        |leg: LegNo| then.leg(leg).waits() && store.rows.leg(leg) == then.leg(leg) && !view.rows.leg(leg).waits();
    made.iter().any(|reservation| {
        let mut agents = reservation.agents().iter();
        (0..reservation.leg)
            .any(|leg| waits_on(leg) && agents.any(|agent| may_take(&store.rows, &then.leg(leg), agent)))
    })
}

/// What is wrong with an offer that a commit has just made.
pub fn misfit(rows: &Rows, commit: &Commit) -> Option<Broken> {
    let found = |row: &Row| {
        let Row::Leg(_, row) = row else { return None };
        let LegState::Offered(_) = row.state else { return None };
        if row.state.agents().iter().any(|agent| !may_take(rows, row, agent)) {
            return Some(Broken::Misfit);
        }
        row.state.agents().iter().any(|agent| !rows.agent(agent).on_duty).then_some(Broken::OffDuty)
    };
    commit.rows.iter().filter_map(found).next()
}

fn may_take(rows: &Rows, row: &LegRow, agent: AgentNo) -> bool {
    row.lane.is_served_by(rows.agent(agent).group) && !row.excluded.has(agent)
}

/// Whether an offer was committed to an agent while a leg with a smaller key that the agent could take was committed
/// WAITING, and nobody was held for it. One that has its reservation, and only waits for the commit of it, is not overtaken.
pub fn overtook(rows: &Rows, slot: &Slot, commit: &Commit) -> bool {
    let is_held = |leg: LegNo| {
        let hold = slot.live().and_then(|view| view.hold(leg));
        hold.is_some_and(|hold| hold.reservation.leg_ver == rows.leg(leg).ver)
    };
    commit.rows.iter().any(|row| {
        let Row::Leg(leg, row) = row else { return false };
        let LegState::Offered(_) = row.state else { return false };
        let mut earlier = (0..*leg).filter(|leg| rows.leg(*leg).waits() && !is_held(*leg));
        earlier.any(|leg| row.state.agents().iter().any(|agent| may_take(rows, &rows.leg(leg), agent)))
    })
}
