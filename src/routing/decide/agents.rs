//! Commands on agents: profile, declared state, endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::Draft;
use super::{offers, requeue, transfer};
use crate::domain::agent::{Agent, Declared, Endpoint, NextDeclared, OpenWork, Profile, Reachability};
use crate::domain::event::{Body, QueuedReason, SessionEnd};
use crate::domain::id::{AgentId, AgentNo, GroupNo, LegId};
use crate::domain::leg::LegState;
use crate::domain::offer::{OfferState, RevokeReason};
use crate::domain::requirement::{Channel, Expertise};
use crate::domain::ticket::Ticket;
use crate::routing::command::{Answer, ProfilePatch, Timing};
use crate::routing::reject::{Kind, Reject, Violation};

pub(super) fn create(draft: &mut Draft<'_>, id: &AgentId, profile: &Profile) -> Result<Answer, Reject> {
    let scope = draft.scope()?.clone();
    if draft.ws().agents.get(id).is_some_and(|row| !row.deleted) {
        return Err(Reject::AlreadyExists { kind: Kind::Agent, name: id.to_string() });
    }
    check(draft, profile)?;
    let group = group_of(draft, &profile.expertise)?;
    let (agent, number) = (id.clone(), AgentNo(scope.desk.next_agent));
    draft.emit_desk(Body::AgentCreated { agent, number, profile: Box::new(profile.clone()), group });
    Ok(Answer::Agent { agent: id.clone() })
}

pub(super) fn update(
    draft: &mut Draft<'_>,
    id: &AgentId,
    patch: &ProfilePatch,
    etag: Option<u64>,
) -> Result<Answer, Reject> {
    let row = draft.agent(id)?;
    check_etag(&row, etag)?;
    let profile = patched(&row.profile, patch.clone());
    check(draft, &profile)?;
    let group = group_of(draft, &profile.expertise)?;
    draft.emit_desk(Body::AgentUpdated { agent: id.clone(), profile: Box::new(profile), group });
    Ok(Answer::Agent { agent: id.clone() })
}

pub(super) fn delete(draft: &mut Draft<'_>, id: &AgentId, etag: Option<u64>) -> Result<Answer, Reject> {
    let row = draft.agent(id)?;
    check_etag(&row, etag)?;
    leave_duty(draft, &row, RevokeReason::AgentDeleted)?;
    requeue_work(draft, &row, true)?;
    if let Some(session) = &row.session {
        let (agent, epoch) = (id.clone(), session.epoch);
        let reason = SessionEnd::AgentDeleted;
        draft.emit_desk(Body::SessionEnded { agent, epoch, reason, lost_until: None });
    }
    draft.emit_desk(Body::AgentDeleted { agent: id.clone() });
    Ok(Answer::Agent { agent: id.clone() })
}

fn patched(profile: &Profile, patch: ProfilePatch) -> Profile {
    let mut next = profile.clone();
    next.display_name = patch.display_name.unwrap_or(next.display_name);
    next.expertise.team = patch.team.unwrap_or(next.expertise.team);
    next.expertise.tier = patch.tier.unwrap_or(next.expertise.tier);
    next.expertise.skills = patch.skills.unwrap_or(next.expertise.skills);
    next.expertise.languages = patch.languages.unwrap_or(next.expertise.languages);
    next.expertise.authorities = patch.authorities.unwrap_or(next.expertise.authorities);
    next.pools = patch.pools.unwrap_or(next.pools);
    next.channels = patch.channels.unwrap_or(next.channels);
    next.labels = patch.labels.unwrap_or(next.labels);
    if let Some(endpoints) = patch.endpoints {
        // What a connector reported of an endpoint outlives an update that leaves its address alone.
        let known = |endpoint: &Endpoint| {
            let same = |other: &&Endpoint| other.channel == endpoint.channel && other.address == endpoint.address;
            profile.endpoints.iter().find(same).cloned()
        };
        next.endpoints = endpoints
            .into_iter()
            .map(|endpoint| match known(&endpoint) {
                Some(known) => Endpoint { reachability: known.reachability, until: known.until, ..endpoint },
                None => endpoint,
            })
            .collect();
    }
    next
}

fn check_etag(row: &Agent, etag: Option<u64>) -> Result<(), Reject> {
    match etag {
        Some(etag) if etag != row.profile_rev => Err(Reject::EtagMismatch { found: row.profile_rev }),
        Some(_) | None => Ok(()),
    }
}

/// What only the desk knows about a profile: its connectors and its catalogue.
fn check(draft: &Draft<'_>, profile: &Profile) -> Result<(), Reject> {
    let scope = draft.scope()?;
    let catalogue = &scope.current_policy().catalogue;
    let mut violations = Vec::new();
    for (at, endpoint) in profile.endpoints.iter().enumerate() {
        match draft.connector(&endpoint.connector) {
            Ok(connector) if connector.serves(endpoint.channel) => {}
            Ok(connector) => violations.push(Violation {
                field: format!("agent.endpoints[{at}].channel"),
                description: format!("connector {} does not serve {}", connector.id, endpoint.channel.word()),
            }),
            Err(_) => violations.push(Violation {
                field: format!("agent.endpoints[{at}].connector"),
                description: format!("connector {} does not exist", endpoint.connector),
            }),
        }
    }
    let unlisted = |known: &BTreeSet<Arc<str>>, name: &Arc<str>| !known.contains(name);
    if let Some(skills) = &catalogue.skills {
        for skill in profile.expertise.skills.keys().filter(|skill| unlisted(skills, skill)) {
            let description = format!("{skill} is not in the policy's catalogue of skills");
            violations.push(Violation { field: format!("agent.skills[skill={skill}]"), description });
        }
    }
    if let Some(authorities) = &catalogue.authorities {
        for name in profile.expertise.authorities.keys().filter(|name| !authorities.contains_key(*name)) {
            let description = format!("{name} is not in the policy's catalogue of authorities");
            violations.push(Violation { field: format!("agent.authorities[authority={name}]"), description });
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(Reject::Invalid(violations)) }
}

fn group_of(draft: &Draft<'_>, expertise: &Expertise) -> Result<GroupNo, Reject> {
    let found = draft.scope()?.desk.groups.find(expertise);
    found.ok_or_else(|| Reject::NeedsIntern { lanes: Vec::new(), groups: vec![expertise.clone()] })
}

pub(super) fn set_state(
    draft: &mut Draft<'_>,
    id: &AgentId,
    declared: &Declared,
    timing: Timing,
    open_work: OpenWork,
) -> Result<Answer, Reject> {
    let row = draft.agent(id)?;
    if let Declared::Break { reason } = declared {
        let reasons = &draft.scope()?.current_policy().catalogue.break_reasons;
        if reasons.as_ref().is_some_and(|reasons| !reasons.contains(reason)) {
            let description = format!("{reason} is not in the policy's catalogue of break reasons");
            return Err(Reject::field("break_reason", description));
        }
    }
    if *declared == Declared::Ready && row.session.is_none() {
        return Err(Reject::AgentUnavailable {
            agent: id.clone(),
            why: "READY needs a session: start one first, or nobody could be rung",
        });
    }
    let busy = !row.holds_nothing();
    if timing == Timing::AfterCurrent && busy && *declared != Declared::Ready {
        let next = Some(NextDeclared { declared: declared.clone(), open_work });
        draft.emit_desk(Body::AgentDeclared { agent: id.clone(), declared: row.declared.clone(), next });
        prefer_nobody(draft, id)?;
        return Ok(Answer::Agent { agent: id.clone() });
    }
    apply_state(draft, &row, declared, open_work)?;
    Ok(Answer::Agent { agent: id.clone() })
}

/// Declares a state now: BREAK and OFFLINE return pending offers at once, without a miss.
fn apply_state(draft: &mut Draft<'_>, row: &Agent, declared: &Declared, open_work: OpenWork) -> Result<(), Reject> {
    let why = match declared {
        Declared::Ready => None,
        Declared::Break { .. } => Some(RevokeReason::AgentOnBreak),
        Declared::Offline => Some(RevokeReason::AgentOffline),
    };
    let same = row.declared == *declared && row.next_declared.is_none() && !row.not_responding;
    if !same {
        let (agent, declared) = (row.id.clone(), declared.clone());
        draft.emit_desk(Body::AgentDeclared { agent, declared, next: None });
    }
    match why {
        Some(why) => leave_duty(draft, row, why)?,
        None => transfer::arrived(draft, &row.id)?,
    }
    if *declared == Declared::Offline && open_work == OpenWork::Requeue {
        requeue_work(draft, row, false)?;
    }
    Ok(())
}

/// Takes back this agent's pending offers and ends what waits for them alone.
pub(super) fn leave_duty(draft: &mut Draft<'_>, row: &Agent, why: RevokeReason) -> Result<(), Reject> {
    return_offers(draft, row, why)?;
    prefer_nobody(draft, &row.id)
}

/// Takes back this agent's pending offers, without a miss.
pub(super) fn return_offers(draft: &mut Draft<'_>, row: &Agent, why: RevokeReason) -> Result<(), Reject> {
    for ticket in tickets_of(draft, &row.id) {
        let pending = ticket.legs.iter().flat_map(|leg| leg.pending_offers());
        let mine: Vec<_> = pending.filter(|offer| offer.agent == row.id).map(|offer| offer.id).collect();
        for offer in mine {
            offers::revoke(draft, offer, why);
            transfer::offer_lost(draft, offer.leg)?;
        }
    }
    Ok(())
}

/// Ends the preference of waiting legs for an agent who takes nothing new.
fn prefer_nobody(draft: &mut Draft<'_>, id: &AgentId) -> Result<(), Reject> {
    for ticket in tickets_of(draft, id) {
        let waiting =
            ticket.legs.iter().filter(|leg| leg.state == LegState::Waiting && leg.prefer.as_ref() == Some(id));
        for leg in waiting.map(|leg| LegId { ticket: ticket.id, leg: leg.n }).collect::<Vec<_>>() {
            draft.emit(ticket.id, Body::PreferenceEnded { leg: leg.leg });
            transfer::offer_lost(draft, leg)?;
        }
    }
    Ok(())
}

/// Gives back this agent's active digital work (`all`: the phone as well), with its age.
pub(super) fn requeue_work(draft: &mut Draft<'_>, row: &Agent, all: bool) -> Result<(), Reject> {
    for ticket in tickets_of(draft, &row.id) {
        if ticket.channel == Channel::Phone && !all {
            continue;
        }
        let mine =
            |state: LegState| ticket.legs.iter().find(|leg| leg.state == state && leg.agent.as_ref() == Some(&row.id));
        if let Some(leg) = mine(LegState::Connecting) {
            let accepted = leg.offers.iter().find(|offer| offer.state == OfferState::Accepted);
            if let Some(offer) = accepted {
                offers::revoke(draft, offer.id, RevokeReason::AgentOffline);
            }
        } else if let Some(leg) = mine(LegState::Active) {
            requeue::give_back(draft, &ticket, leg.n, QueuedReason::Requeued, None)?;
        }
    }
    // What was connecting may have been waiting for this agent alone.
    prefer_nobody(draft, &row.id)
}

/// The tickets in the working set that this agent is on, or that wait for them.
pub(super) fn tickets_of(draft: &Draft<'_>, id: &AgentId) -> Vec<Arc<Ticket>> {
    let concerns = |ticket: &&Arc<Ticket>| {
        ticket.open_legs().any(|leg| {
            let waits = leg.state == LegState::Waiting && leg.prefer.as_ref() == Some(id);
            let offered = leg.offers.iter().any(|offer| offer.is_open() && offer.agent == *id);
            waits || offered || leg.agent.as_ref() == Some(id)
        })
    };
    draft.ws().all_tickets().into_iter().filter(|ticket| concerns(&ticket)).collect()
}

pub(super) fn report_endpoint(
    draft: &mut Draft<'_>,
    id: &AgentId,
    channel: Channel,
    reachability: Reachability,
) -> Result<Answer, Reject> {
    let row = draft.agent(id)?;
    let Some(endpoint) = row.profile.endpoint(channel) else {
        let description = format!("agent {id} has no endpoint on {}", channel.word());
        return Err(Reject::field("reports.channel", description));
    };
    let lapse = draft.scope()?.current_policy().limits.endpoint_lapse;
    let until = (reachability != Reachability::Reachable).then(|| draft.now() + lapse);
    if endpoint.reachability != reachability || until.is_some() {
        draft.emit_desk(Body::EndpointReported { agent: id.clone(), channel, reachability, until });
    }
    Ok(Answer::Agent { agent: id.clone() })
}

/// A state that was to apply after the current work: it applies once nothing is held.
pub(super) fn after_current(draft: &mut Draft<'_>) {
    let leaves = |row: &&Arc<Agent>| row.next_declared.is_some() && row.holds_nothing();
    let leaving = draft.ws().agents.changed().filter(leaves);
    let leaving: BTreeMap<AgentId, Option<NextDeclared>> =
        leaving.map(|row| (row.id.clone(), row.next_declared.clone())).collect();
    for (agent, next) in leaving {
        // Nothing is held, so there are no offers to return; what still prefers the agent does so for a limited time.
        if let Some(next) = next {
            draft.emit_desk(Body::AgentDeclared { agent, declared: next.declared, next: None });
        }
    }
}
