//! Ping-pong protection: a ticket does not go back where it was, unless its needs changed or somebody gives a reason.

use crate::domain::ticket::{Placing, Target, Ticket, Visit};
use crate::routing::decide::draft::Draft;
use crate::routing::reject::{Reject, Visited};

/// Refuses A to B to A inside the policy's time, and a (queue, tier) that was left, unless the needs are others now.
pub(super) fn check(draft: &Draft<'_>, ticket: &Ticket, target: &Target, place: &Placing) -> Result<(), Reject> {
    let window = draft.policy(ticket).limits.ping_pong;
    let recent = |visit: &&Visit| visit.at + window > draft.now();
    let earlier = match target {
        Target::Agent(agent) => ticket.visits.iter().filter(recent).find(|visit| visit.agent.as_ref() == Some(agent)),
        Target::Requirement(_) | Target::Queue(_) => ticket.visits.iter().find(|visit| {
            visit.queue.as_ref() == Some(&place.queue)
                && visit.tier == place.effective.min_tier
                && visit.effective == place.effective
        }),
    };
    match earlier {
        None => Ok(()),
        Some(visit) => {
            let (queue, tier) = (place.queue.clone(), place.effective.min_tier.unwrap_or(1));
            let visited = visit.agent.clone().map_or(Visited::Place { queue, tier }, Visited::Agent);
            Err(Reject::PingPong { visited, at: visit.at })
        }
    }
}
