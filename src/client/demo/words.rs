//! A decision in plain words, one line each.

use std::fmt::Write as _;

use prost_types::Timestamp;

use crate::clock::{Span, Time};
use crate::proto::handoff::v1::decision::Payload;
use crate::proto::handoff::v1::offer::Reason;
use crate::proto::handoff::v1::transfer_target::Target;
use crate::proto::handoff::v1::{
    CancelReason, Channel, Decision, DecisionSide, DeclineReason, EndedBy, EscalatedDecision, EscalationAxis,
    EscalationReason, FailReason, Infeasibility, LegEndedDecision, Offer, OfferRevokedDecision, OfferState,
    QueuedDecision, QueuedReason, Requirement, ResolvedDecision, RevokeReason, Transfer, TransferState,
};

/// How much a line tells: routine ones give way when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Routine,
    /// Somebody has it, or it is done.
    Good,
    /// It moves on.
    Move,
    /// Declined, missed, failed: it goes back in line.
    Back,
    /// The customer is gone, or nobody can take it.
    Bad,
}

/// What a decision says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) kind: &'static str,
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// The last part of a resource name.
pub(super) fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// An agent's resource name as one would call them.
pub(super) fn called(name: &str) -> String {
    let mut letters = short(name).chars();
    letters.next().map_or_else(|| "nobody".to_owned(), |first| first.to_uppercase().chain(letters).collect())
}

/// An enum value's name without its prefix, in lower case: `DECLINE_REASON_NOT_MY_SKILL` is `not my skill`.
fn plain(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase().replace('_', " ")
}

pub(super) fn channel(channel: Channel) -> String {
    plain(channel.as_str_name(), "CHANNEL_")
}

pub(super) fn axis(axis: EscalationAxis) -> String {
    plain(axis.as_str_name(), "ESCALATION_AXIS_")
}

pub(super) fn reason(reason: EscalationReason) -> String {
    plain(reason.as_str_name(), "ESCALATION_REASON_")
}

/// The field of `Decision` that is set, as ListTicketEvents calls it. Empty: a kind newer than this client.
pub(super) fn kind(decision: &Decision) -> &'static str {
    match &decision.payload {
        None => "",
        Some(Payload::Queued(_)) => "queued",
        Some(Payload::Offered(_)) => "offered",
        Some(Payload::OfferRevoked(_)) => "offer_revoked",
        Some(Payload::Connect(_)) => "connect",
        Some(Payload::Assigned(_)) => "assigned",
        Some(Payload::HandlerLost(_)) => "handler_lost",
        Some(Payload::ConnectFailed(_)) => "connect_failed",
        Some(Payload::Held(_)) => "held",
        Some(Payload::Resumed(_)) => "resumed",
        Some(Payload::Transfer(_)) => "transfer",
        Some(Payload::Escalated(_)) => "escalated",
        Some(Payload::Infeasible(_)) => "infeasible",
        Some(Payload::LegEnded(_)) => "leg_ended",
        Some(Payload::Updated(_)) => "updated",
        Some(Payload::Resolved(_)) => "resolved",
        Some(Payload::Reopened(_)) => "reopened",
        Some(Payload::Closed(_)) => "closed",
        Some(Payload::Cancelled(_)) => "cancelled",
        Some(Payload::Notification(_)) => "notification",
        Some(Payload::Quarantined(_)) => "quarantined",
    }
}

pub(super) fn words(decision: &Decision) -> Words {
    let (tone, mut text) = match &decision.payload {
        None => (Tone::Routine, "something newer than this client".to_owned()),
        Some(Payload::Queued(queued)) => queued_words(queued),
        Some(Payload::Offered(offered)) => (Tone::Routine, offered_words(&offered.offers)),
        Some(Payload::OfferRevoked(revoked)) => revoked_words(revoked),
        Some(Payload::Connect(connect)) => {
            (Tone::Routine, format!("{} accepts, connecting", agent_of(connect.offer.as_ref())))
        }
        Some(Payload::Assigned(assigned)) => {
            let how = if assigned.placed { " again" } else { "" };
            (Tone::Good, format!("with {}{how}", agent_of(assigned.offer.as_ref())))
        }
        Some(Payload::HandlerLost(lost)) => (Tone::Back, format!("connection to {} lost", called(&lost.agent))),
        Some(Payload::ConnectFailed(failed)) => {
            let why = failed.offer.as_ref().map(why_ended).unwrap_or_default();
            (Tone::Back, format!("{} not connected: {why}", agent_of(failed.offer.as_ref())))
        }
        Some(Payload::Held(held)) => {
            let why = held.hold.as_ref().map(|hold| hold.reason.as_str()).unwrap_or_default();
            (Tone::Move, format!("on hold: {why}"))
        }
        Some(Payload::Resumed(_)) => (Tone::Move, "off hold".to_owned()),
        Some(Payload::Transfer(transfer)) => match &transfer.transfer {
            Some(transfer) => transfer_words(transfer),
            None => (Tone::Move, "transfer".to_owned()),
        },
        Some(Payload::Escalated(escalated)) => (Tone::Move, escalated_words(escalated)),
        Some(Payload::Infeasible(infeasible)) => infeasible_words(infeasible.infeasibility()),
        Some(Payload::LegEnded(ended)) => (Tone::Routine, ended_words(ended)),
        Some(Payload::Updated(_)) => (Tone::Routine, "changed".to_owned()),
        Some(Payload::Resolved(resolved)) => (Tone::Good, resolved_words(resolved)),
        Some(Payload::Reopened(reopened)) => (Tone::Move, format!("reopened: {}", reopened.reason)),
        Some(Payload::Closed(_)) => (Tone::Routine, "closed".to_owned()),
        Some(Payload::Notification(told)) => {
            let what = plain(told.reason().as_str_name(), "NOTIFICATION_REASON_");
            (Tone::Bad, format!("{what} after {} hops, for {}", told.hop_count, called(&told.owner)))
        }
        Some(Payload::Quarantined(kept)) => {
            (Tone::Bad, format!("kept back from {}: {}", called(&kept.connector), kept.reason))
        }
        Some(Payload::Cancelled(cancelled)) => {
            let why = plain(cancelled.reason().as_str_name(), "CANCEL_REASON_");
            let tone = if cancelled.reason() == CancelReason::CustomerLeft { Tone::Bad } else { Tone::Back };
            (tone, format!("cancelled: {why}"))
        }
    };
    if decision.side() == DecisionSide::AgentSide {
        text.push_str(" (told to the agent's side)");
    }
    Words { kind: kind(decision), tone, text }
}

fn agent_of(offer: Option<&Offer>) -> String {
    offer.map_or_else(|| "nobody".to_owned(), |offer| called(&offer.agent))
}

fn why_ended(offer: &Offer) -> String {
    match offer.reason {
        None => "no reason given".to_owned(),
        Some(Reason::DeclineReason(why)) => {
            let why = DeclineReason::try_from(why).unwrap_or_default();
            plain(why.as_str_name(), "DECLINE_REASON_")
        }
        Some(Reason::RevokeReason(why)) => {
            let why = RevokeReason::try_from(why).unwrap_or_default();
            plain(why.as_str_name(), "REVOKE_REASON_")
        }
        Some(Reason::FailReason(why)) => {
            plain(FailReason::try_from(why).unwrap_or_default().as_str_name(), "FAIL_REASON_")
        }
    }
}

fn queued_words(queued: &QueuedDecision) -> (Tone, String) {
    let needs = queued.requirement.as_ref().map(needs).unwrap_or_default();
    let again = plain(queued.reason().as_str_name(), "QUEUED_REASON_");
    match queued.reason() {
        QueuedReason::Created | QueuedReason::Unspecified => (Tone::Routine, format!("in line{needs}")),
        QueuedReason::Transferred | QueuedReason::Escalated | QueuedReason::Scheduled | QueuedReason::Assigned => {
            (Tone::Routine, format!("in line, {again}{needs}"))
        }
        QueuedReason::Requeued
        | QueuedReason::HandlerLost
        | QueuedReason::Reopened
        | QueuedReason::Resumed
        | QueuedReason::Returned
        | QueuedReason::Terminal => (Tone::Back, format!("back in line, {again}{needs}")),
    }
}

/// ` for billing 7+, tier 2+, refund 120 EUR, de`; empty: nothing in particular.
fn needs(requirement: &Requirement) -> String {
    let mut parts: Vec<String> = Vec::new();
    let skills = requirement.skills.iter();
    parts.extend(skills.map(|need| format!("{} {}+", need.skill, need.min_level.unwrap_or(1))));
    parts.extend(requirement.min_tier.map(|tier| format!("tier {tier}+")));
    for need in &requirement.authorities {
        let mut part = need.authority.clone();
        if let Some(amount) = &need.amount {
            // Writing to a string cannot fail.
            write!(part, " {} {}", amount.units, amount.currency_code).unwrap_or_default();
        }
        parts.push(part);
    }
    if !requirement.language_code.is_empty() {
        parts.push(requirement.language_code.clone());
    }
    if parts.is_empty() { String::new() } else { format!(" for {}", parts.join(", ")) }
}

fn offered_words(offers: &[Offer]) -> String {
    let agents: Vec<_> = offers.iter().map(|offer| called(&offer.agent)).collect();
    let rings = offers.first().and_then(|offer| offer.ring_duration.as_ref()).map(|ring| ring.seconds);
    let rings = rings.map(|secs| format!(", {secs} s to accept")).unwrap_or_default();
    format!("offered to {}{rings}", agents.join(" and "))
}

fn revoked_words(revoked: &OfferRevokedDecision) -> (Tone, String) {
    let Some(offer) = &revoked.offer else { return (Tone::Routine, "offer taken back".to_owned()) };
    let agent = called(&offer.agent);
    match offer.state() {
        OfferState::Declined => (Tone::Back, format!("{agent} declines: {}", why_ended(offer))),
        OfferState::Expired if revoked.agent_not_responding => {
            (Tone::Back, format!("{agent} did not answer twice: not responding"))
        }
        OfferState::Expired => (Tone::Back, format!("{agent} did not answer")),
        OfferState::Unspecified
        | OfferState::Pending
        | OfferState::Accepted
        | OfferState::Confirmed
        | OfferState::Revoked
        | OfferState::Failed => (Tone::Routine, format!("offer to {agent} taken back: {}", why_ended(offer))),
    }
}

fn transfer_words(transfer: &Transfer) -> (Tone, String) {
    let what = match transfer.axis() {
        EscalationAxis::Unspecified => "transfer",
        EscalationAxis::Functional | EscalationAxis::Hierarchical => "hand-over",
    };
    let from =
        if transfer.from_agent.is_empty() { String::new() } else { format!(" from {}", called(&transfer.from_agent)) };
    let to =
        if transfer.to_agent.is_empty() { target(transfer) } else { format!(" to {}", called(&transfer.to_agent)) };
    match transfer.state() {
        TransferState::Requested => (Tone::Move, format!("{what}{from}{to} asked for")),
        TransferState::Offered => (Tone::Routine, format!("{what}{to} being offered")),
        TransferState::Completed => (Tone::Move, format!("{what}{from}{to} done")),
        TransferState::Returned => (Tone::Back, format!("{what} comes back to {}", called(&transfer.from_agent))),
        TransferState::Failed | TransferState::Cancelled | TransferState::Unspecified => {
            (Tone::Back, format!("{what} {}", plain(transfer.state().as_str_name(), "TRANSFER_STATE_")))
        }
    }
}

fn target(transfer: &Transfer) -> String {
    match transfer.target.as_ref().and_then(|target| target.target.as_ref()) {
        Some(Target::Agent(agent)) => format!(" to {}", called(agent)),
        Some(Target::Requirement(requirement)) => needs(requirement),
        Some(Target::Queue(queue)) => format!(" to queue {queue}"),
        None => String::new(),
    }
}

fn escalated_words(escalated: &EscalatedDecision) -> String {
    let needs = escalated.effective_requirement.as_ref().map(needs).unwrap_or_default();
    let by = escalated.requested_by.as_ref().filter(|actor| !actor.name.is_empty());
    let by = by.map(|actor| format!(" by {}", called(&actor.name))).unwrap_or_default();
    let (axis, level, why) = (axis(escalated.axis()), escalated.level, reason(escalated.reason()));
    format!("escalated, {axis} {level}{by}: {why}{needs}")
}

fn infeasible_words(why: Infeasibility) -> (Tone, String) {
    match why {
        Infeasibility::Unspecified => (Tone::Routine, "somebody can take it again".to_owned()),
        Infeasibility::Busy => (Tone::Routine, "everybody who could take it is busy".to_owned()),
        Infeasibility::Never => (Tone::Bad, "nobody on the desk has what it needs".to_owned()),
        Infeasibility::Absent => (Tone::Bad, "nobody who could take it is on duty".to_owned()),
        Infeasibility::Excluded => (Tone::Bad, "everybody who could take it said no".to_owned()),
        Infeasibility::ConnectorAway => (Tone::Bad, "its connector is away".to_owned()),
    }
}

fn ended_words(ended: &LegEndedDecision) -> String {
    let agent = called(&ended.agent);
    match ended.ended_by() {
        EndedBy::Customer => format!("customer ends the contact with {agent}"),
        EndedBy::Agent => format!("{agent} ends the contact"),
        EndedBy::Connector | EndedBy::System | EndedBy::Supervisor | EndedBy::Unspecified => {
            format!("contact with {agent} over")
        }
    }
}

fn resolved_words(resolved: &ResolvedDecision) -> String {
    let Some(resolution) = &resolved.resolution else { return "resolved".to_owned() };
    let by = if resolution.agent.is_empty() { String::new() } else { format!(" by {}", called(&resolution.agent)) };
    let first = if resolution.first_contact == Some(true) { ", at first contact" } else { "" };
    let refund = resolution.concession.as_ref().and_then(|concession| concession.amount.as_ref());
    let refund = refund.map(|amount| format!(", {} {} back", amount.units, amount.currency_code)).unwrap_or_default();
    format!("resolved{by}{first}{refund}")
}

pub(super) fn time(stamp: &Timestamp) -> Time {
    Time(stamp.seconds.saturating_mul(1_000_000).saturating_add(i64::from(stamp.nanos) / 1_000))
}

#[cfg(test)]
pub(super) fn stamp(time: Time) -> Timestamp {
    let micros = time.micros();
    let nanos = micros.rem_euclid(1_000_000) * 1_000;
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos: i32::try_from(nanos).unwrap_or_default() }
}

/// The morning begins at nine, whatever the machine's clock says.
pub(super) fn of_morning(since_start: Span) -> String {
    let secs = (9 * 3_600 + since_start.micros().div_euclid(1_000_000)).max(0);
    format!("{:02}:{:02}:{:02}", secs / 3_600 % 24, secs / 60 % 60, secs % 60)
}
