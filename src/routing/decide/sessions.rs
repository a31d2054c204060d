//! Sessions: one connection per agent, fenced by an epoch that rises with each new one.

use std::sync::Arc;

use super::agents::{leave_duty, return_offers, tickets_of};
use super::draft::Draft;
use super::transfer;
use crate::domain::agent::{Agent, Session};
use crate::domain::event::{Body, SessionEnd};
use crate::domain::id::AgentId;
use crate::domain::leg::LegState;
use crate::domain::offer::RevokeReason;
use crate::domain::requirement::Channel;
use crate::routing::command::{Answer, SessionMode};
use crate::routing::reject::Reject;

/// Starts a session, joins the running one, or takes it up again with its secret: the epoch, and with it every ringing
/// offer, is then kept.
pub(super) fn start(
    draft: &mut Draft<'_>,
    id: &AgentId,
    device: &Arc<str>,
    mode: SessionMode,
    secret_hash: &Arc<str>,
    shown_hash: Option<&Arc<str>>,
) -> Result<Answer, Reject> {
    let row = draft.agent(id)?;
    let Some(session) = &row.session else {
        let answer = fresh(draft, &row, device, secret_hash);
        transfer::arrived(draft, id)?;
        return Ok(answer);
    };
    let knows_secret = shown_hash == Some(&session.secret_hash);
    match mode {
        SessionMode::Join if knows_secret || shown_hash.is_none() => join(draft, &row, session, device),
        SessionMode::Join => Err(Reject::SessionHeld { agent: id.clone() }),
        SessionMode::TakeOver => {
            let (agent, epoch) = (id.clone(), session.epoch);
            // The agent is still there: what waits for them goes on waiting, and is offered under the new epoch.
            return_offers(draft, &row, RevokeReason::SessionEnded)?;
            draft.emit_desk(Body::SessionEnded { agent, epoch, reason: SessionEnd::TakenOver, lost_until: None });
            let row = draft.agent(id)?;
            Ok(fresh(draft, &row, device, secret_hash))
        }
    }
}

fn fresh(draft: &mut Draft<'_>, row: &Agent, device: &Arc<str>, secret_hash: &Arc<str>) -> Answer {
    let epoch = row.last_epoch + 1;
    let (agent, secret_hash, device) = (row.id.clone(), secret_hash.clone(), device.clone());
    draft.emit_desk(Body::SessionStarted { agent: agent.clone(), epoch, secret_hash, device });
    Answer::Session { agent, epoch }
}

fn join(draft: &mut Draft<'_>, row: &Agent, session: &Session, device: &Arc<str>) -> Result<Answer, Reject> {
    if !session.devices.contains(device) {
        if session.devices.len() >= Session::MAX_DEVICES {
            return Err(Reject::LimitReached { limit: "a session has at most 8 devices" });
        }
        draft.emit_desk(Body::DeviceJoined { agent: row.id.clone(), device: device.clone() });
    }
    Ok(Answer::Session { agent: row.id.clone(), epoch: session.epoch })
}

/// Ends the session of this epoch: pending offers go back at once. When it was lost, an active phone call is left to its
/// connector to judge, and digital work is kept for a while.
pub(super) fn end(draft: &mut Draft<'_>, id: &AgentId, epoch: u64, reason: SessionEnd) -> Result<Answer, Reject> {
    let row = draft.agent(id)?;
    let current = row.session.as_ref().map_or(0, |session| session.epoch);
    if current != epoch {
        // Ended already: the answer stands. A future epoch is nobody's.
        return if epoch <= row.last_epoch && epoch > 0 {
            Ok(Answer::Session { agent: id.clone(), epoch })
        } else {
            Err(Reject::SessionStale { agent: id.clone(), current })
        };
    }
    leave_duty(draft, &row, RevokeReason::SessionEnded)?;
    let grace = draft.scope()?.current_policy().limits.lost_grace;
    let lost = reason == SessionEnd::Lost;
    let mut lost_until = None;
    for ticket in tickets_of(draft, id).into_iter().filter(|_| lost) {
        let requeue_time = (ticket.channel != Channel::Phone).then(|| draft.now() + grace);
        let held: Vec<_> = ticket.open_legs().filter(|leg| leg.agent.as_ref() == Some(id)).collect();
        // A leg that is connecting may still become ACTIVE: it is given back with the others then.
        if held.iter().any(|leg| matches!(leg.state, LegState::Connecting | LegState::Active)) {
            lost_until = lost_until.or(requeue_time);
        }
        let active = held.into_iter().find(|leg| leg.state == LegState::Active).map(|leg| leg.n);
        if let Some(leg) = active {
            draft.emit(ticket.id, Body::HandlerLost { leg, agent: id.clone(), requeue_time });
        }
    }
    draft.emit_desk(Body::SessionEnded { agent: id.clone(), epoch, reason, lost_until });
    Ok(Answer::Session { agent: id.clone(), epoch })
}
