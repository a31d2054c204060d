//! Events of an agent: profile, declared state, sessions, endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::agent_mut;
use crate::domain::agent::{Agent, Declared, NextDeclared, Profile, Session};
use crate::domain::event::{Body, Event, SessionEnd};
use crate::domain::id::{AgentId, AgentNo, GroupNo};
use crate::domain::time::Time;
use crate::routing::due;
use crate::routing::workset::WorkingSet;

pub(super) fn apply(ws: &mut WorkingSet<'_>, event: &Event) {
    let at = event.at;
    let touched = match &event.body {
        Body::AgentCreated { agent, number, profile, group } => {
            // A name that was deleted may be used again: the row, its number and its epochs go on.
            let earlier = ws.agents.get(agent).cloned();
            ws.agents.insert(agent.clone(), Arc::new(created(agent, *number, profile, *group, at, earlier.as_deref())));
            agent
        }
        Body::AgentUpdated { agent, profile, group } => {
            let row = agent_mut(ws, agent);
            row.profile = Arc::new(profile.as_ref().clone());
            row.group = *group;
            row.profile_rev += 1;
            row.update_time = at;
            agent
        }
        Body::AgentDeleted { agent } => {
            let row = agent_mut(ws, agent);
            row.deleted = true;
            row.declared = Declared::Offline;
            row.next_declared = None;
            row.profile_rev += 1;
            row.update_time = at;
            agent
        }
        Body::AgentDeclared { agent, declared, next } => {
            declare(agent_mut(ws, agent), declared, next.as_ref(), at);
            agent
        }
        Body::EndpointReported { agent, channel, reachability, until } => {
            let row = agent_mut(ws, agent);
            let profile = Arc::make_mut(&mut row.profile);
            if let Some(endpoint) = profile.endpoints.iter_mut().find(|endpoint| endpoint.channel == *channel) {
                endpoint.reachability = *reachability;
                endpoint.until = *until;
            }
            agent
        }
        Body::SessionStarted { agent, .. } | Body::DeviceJoined { agent, .. } | Body::SessionEnded { agent, .. } => {
            connect(agent_mut(ws, agent), &event.body, at);
            agent
        }
        Body::GraceEnded { agent } => {
            agent_mut(ws, agent).lost_until = None;
            agent
        }
        _ => return,
    };
    let row = agent_mut(ws, touched);
    row.ver += 1;
    row.next_due_at = due::of_agent(row);
}

fn created(
    id: &AgentId,
    number: AgentNo,
    profile: &Profile,
    group: GroupNo,
    at: Time,
    earlier: Option<&Agent>,
) -> Agent {
    Agent {
        id: id.clone(),
        number: earlier.map_or(number, |earlier| earlier.number),
        ver: earlier.map_or(0, |earlier| earlier.ver),
        profile_rev: earlier.map_or(1, |earlier| earlier.profile_rev + 1),
        profile: Arc::new(profile.clone()),
        group,
        deleted: false,
        create_time: at,
        update_time: at,
        declared: Declared::Offline,
        next_declared: None,
        since: at,
        session: None,
        last_epoch: earlier.map_or(0, |earlier| earlier.last_epoch),
        misses: 0,
        not_responding: false,
        used_live: earlier.map_or(0, |earlier| earlier.used_live),
        used_deferred: earlier.map_or(0, |earlier| earlier.used_deferred),
        held: earlier.map_or_else(BTreeMap::new, |earlier| earlier.held.clone()),
        last_accept_time: earlier.map_or(Time::default(), |earlier| earlier.last_accept_time),
        lost_until: None,
        next_due_at: None,
    }
}

fn connect(row: &mut Agent, body: &Body, at: Time) {
    match body {
        Body::SessionStarted { epoch, secret_hash, device, .. } => {
            row.last_epoch = *epoch;
            row.lost_until = None;
            row.session = Some(Session {
                epoch: *epoch,
                secret_hash: secret_hash.clone(),
                devices: vec![device.clone()],
                start_time: at,
            });
        }
        Body::DeviceJoined { device, .. } => {
            if let Some(session) = row.session.as_mut() {
                session.devices.retain(|known| known != device);
                session.devices.push(device.clone());
            }
        }
        Body::SessionEnded { reason, lost_until, .. } => {
            row.session = None;
            row.lost_until = *lost_until;
            if *reason == SessionEnd::Ended && row.declared == Declared::Ready {
                // Who leaves in order is off duty; who is cut off is still READY when the network is back.
                declare(row, &Declared::Offline, None, at);
            }
        }
        _ => {}
    }
}

fn declare(row: &mut Agent, declared: &Declared, next: Option<&NextDeclared>, at: Time) {
    if row.declared != *declared {
        row.since = at;
    }
    if *declared == Declared::Ready {
        row.misses = 0;
        row.not_responding = false;
    }
    row.declared = declared.clone();
    row.next_declared = next.cloned();
}
