//! Sessions: starting, keeping and ending them, and what they are told.

mod opened;
mod situation;
mod watching;

pub(super) use opened::open;
pub(super) use watching::watch;

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tonic::Status;
use uuid::Uuid;

use super::call::{call, hex, submit};
use super::form::Form;
use super::name::{self, AgentRef};
use super::render;
use super::status::{About, internal, of_failure};
use crate::availability::Availability;
use crate::domain::agent::Agent;
use crate::domain::event::SessionEnd;
use crate::domain::id::{AgentId, DeskKey};
use crate::domain::time::Span;
use crate::engine::{Call, Engine, Failure, Reply};
use crate::proto::handoff::v1 as pb;
use crate::routing::command::{Answer, Command, SessionMode};
use crate::routing::reject::Reject;
use crate::store::Store;

/// A session without a heartbeat for this long is lost, as the availability index has it.
const LEASE: Span = Span::from_secs(30);
/// How often a client is to send heartbeats.
const HEARTBEAT: Span = Span::from_secs(10);
/// Heartbeats in one call.
const MOST_HEARTBEATS: usize = 1_000;
/// Bytes of a secret: 128 bits.
const SECRET: usize = 16;

/// A session as it was started, joined or resumed.
pub(super) struct Started {
    pub named: AgentRef,
    pub device: Arc<str>,
    pub welcome: pb::SessionWelcome,
}

/// What a session is asked for with.
struct Asked {
    named: AgentRef,
    device: Arc<str>,
    mode: SessionMode,
    /// The secret of the session that the device says it still has.
    shown: Option<String>,
}

pub(super) async fn start<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    request: pb::StartSessionRequest,
) -> Result<Started, Status> {
    let mut form = Form::new();
    let named = form.agent("name", &request.name);
    let request_id = form.request_id(&request.request_id);
    let asked = asked(&mut form, "", named, &request.device_id, request.mode, &request.secret);
    let asked = form.finish(asked)?;
    let fresh = match request_id {
        Some(id) => derived_secret(&asked.named, id),
        None => engine.entropy().secret(),
    };
    let command = command(&asked, &fresh);
    let call = call(asked.named.desk.clone(), command, &request, request_id);
    begin(engine, asked, fresh, call).await
}

/// Reads the fields that StartSession and OpenSession share; `prefix` is where they stand.
fn asked(
    form: &mut Form,
    prefix: &str,
    named: Option<AgentRef>,
    device: &str,
    mode: i32,
    secret: &str,
) -> Option<Asked> {
    let device = form.named(&format!("{prefix}device_id"), device);
    let mode = form.choice_if_said(&format!("{prefix}mode"), mode).unwrap_or_default();
    let is_secret = secret.len() == 2 * SECRET && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !secret.is_empty() && !is_secret {
        form.refuse(format!("{prefix}secret"), "must be a secret as a welcome gave it, or empty");
    }
    let shown = (!secret.is_empty()).then(|| secret.to_ascii_lowercase());
    Some(Asked { named: named?, device: device?, mode, shown })
}

fn command(asked: &Asked, fresh: &str) -> Command {
    Command::StartSession {
        agent: asked.named.agent.clone(),
        device: asked.device.clone(),
        mode: asked.mode,
        secret_hash: hash(fresh),
        shown_hash: asked.shown.as_deref().map(hash),
    }
}

async fn begin<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    asked: Asked,
    fresh: String,
    call: Call,
) -> Result<Started, Status> {
    let reply = submit(engine, call, &About::agent(&asked.named)).await?;
    let welcome = welcome(&reply, &asked, fresh).ok_or_else(internal)?;
    if welcome.resumed {
        // Whoever comes back is there: as good as a heartbeat.
        let beats = [(asked.named.agent.clone(), welcome.session_epoch)];
        let beaten = engine.beat(&asked.named.desk, &beats).await;
        beaten.map_err(|failure| of_failure(failure, &About::agent(&asked.named)))?;
    }
    Ok(Started { named: asked.named, device: asked.device, welcome })
}

fn welcome(reply: &Reply, asked: &Asked, fresh: String) -> Option<pb::SessionWelcome> {
    let Answer::Session { epoch, .. } = &reply.answer else { return None };
    let agent = reply.agent.as_ref()?;
    let (secret, resumed) = match agent.session.as_ref().filter(|session| session.epoch == *epoch) {
        Some(session) if session.secret_hash == hash(&fresh) => (fresh, false),
        Some(session) => {
            let shown = asked.shown.clone().filter(|shown| hash(shown) == session.secret_hash);
            (shown.unwrap_or_default(), true)
        }
        // A repeat of a call whose session is over: the first answer again.
        None => (fresh, false),
    };
    Some(pb::SessionWelcome {
        session_epoch: *epoch,
        secret,
        lease_duration: Some(render::duration(LEASE)),
        heartbeat_interval: Some(render::duration(HEARTBEAT)),
        resumed,
    })
}

/// The secret of a session that was asked for under a request id: a repeat of the call gets the same one, and nothing has to
/// be kept for that. Who knows the request id of a live call made it.
fn derived_secret(named: &AgentRef, request_id: Uuid) -> String {
    let text = format!(
        "handoff session secret/{}/{}/{}/{}",
        named.desk.tenant,
        named.desk.desk,
        named.agent,
        request_id.as_hyphenated()
    );
    hex(&Sha256::digest(text.as_bytes())[..SECRET])
}

fn hash(secret: &str) -> Arc<str> {
    Arc::from(hex(&Sha256::digest(secret.as_bytes())).as_str())
}

pub(super) async fn heartbeats<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    request: pb::SendHeartbeatsRequest,
) -> Result<pb::SendHeartbeatsResponse, Status> {
    let mut form = Form::new();
    let desk = form.desk("parent", &request.parent);
    if request.heartbeats.is_empty() {
        form.refuse("heartbeats", "is required, 1 to 1,000 heartbeats");
    }
    form.at_most("heartbeats", request.heartbeats.len(), MOST_HEARTBEATS);
    let mut beats = Vec::new();
    for (at, each) in request.heartbeats.iter().enumerate().take(MOST_HEARTBEATS) {
        let field = |part: &str| format!("heartbeats[{at}].{part}");
        let agent = form.agent_of(desk.as_ref(), &field("agent"), &each.agent);
        let device = form.named(&field("device_id"), &each.device_id);
        epoch(&mut form, &field("session_epoch"), each.session_epoch);
        beats.extend(agent.zip(device).map(|(agent, device)| (agent, device, each.session_epoch)));
    }
    let desk = form.finish(desk)?;
    let current = |(agent, device, epoch): &(AgentId, Arc<str>, u64)| {
        let row = engine.agent(&desk, agent);
        let session = row.as_ref().and_then(|row| row.session.as_ref()).filter(|session| session.epoch == *epoch);
        session.is_none_or(|session| session.devices.contains(device))
    };
    // A device that never joined renews nothing.
    let joined: Vec<bool> = beats.iter().map(current).collect();
    let sent: Vec<_> = beats.iter().zip(&joined).filter(|(_, joined)| **joined).collect();
    let sent: Vec<_> = sent.iter().map(|((agent, _, epoch), _)| (agent.clone(), *epoch)).collect();
    let renewed = engine.beat(&desk, &sent).await.map_err(|failure| of_failure(failure, &About::desk(&desk)))?;
    let mut renewed = renewed.into_iter();
    let results = beats.iter().zip(joined).map(|((agent, _, epoch), joined)| {
        let state = match (joined, joined && renewed.next().unwrap_or(false)) {
            (true, true) => pb::SessionState::Live,
            (true, false) => over(engine, &desk, agent, *epoch),
            (false, _) => pb::SessionState::Unknown,
        };
        pb::HeartbeatResult { agent: name::agent(&desk.desk, agent), state: state as i32 }
    });
    Ok(pb::SendHeartbeatsResponse { results: results.collect() })
}

/// A session's epoch, which must be said.
fn epoch(form: &mut Form, field: &str, epoch: u64) {
    if epoch == 0 {
        form.refuse(field, "is required, at least 1");
    }
}

/// How a session came to its end, as far as that is still known.
fn over<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    agent: &AgentId,
    epoch: u64,
) -> pb::SessionState {
    match engine.hub().session_end(desk, agent, epoch) {
        Some(SessionEnd::Ended) => pb::SessionState::Ended,
        Some(SessionEnd::TakenOver) => pb::SessionState::TakenOver,
        Some(SessionEnd::Lost) => pb::SessionState::Lost,
        Some(SessionEnd::AgentDeleted) => pb::SessionState::AgentDeleted,
        None => pb::SessionState::Unknown,
    }
}

pub(super) async fn end<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    request: pb::EndSessionRequest,
) -> Result<pb::EndSessionResponse, Status> {
    let mut form = Form::new();
    let named = form.agent("name", &request.name);
    epoch(&mut form, "session_epoch", request.session_epoch);
    let request_id = form.request_id(&request.request_id);
    let named = form.finish(named)?;
    let was_live = engine.agent(&named.desk, &named.agent).is_some_and(|row| has(&row, request.session_epoch));
    let call = call(named.desk.clone(), ending(&named.agent, request.session_epoch), &request, request_id);
    submit(engine, call, &About::agent(&named)).await?;
    let state = match over(engine, &named.desk, &named.agent, request.session_epoch) {
        pb::SessionState::Unknown if was_live => pb::SessionState::Ended,
        state => state,
    };
    Ok(pb::EndSessionResponse { state: state as i32 })
}

fn ending(agent: &AgentId, epoch: u64) -> Command {
    Command::EndSession { agent: agent.clone(), epoch, reason: SessionEnd::Ended }
}

fn has(row: &Agent, epoch: u64) -> bool {
    row.session.as_ref().is_some_and(|session| session.epoch == epoch)
}

/// SESSION_STALE: the epoch is not the agent's current one.
fn stale(named: &AgentRef, row: &Agent) -> Status {
    let current = row.session.as_ref().map_or(0, |session| session.epoch);
    let reject = Reject::SessionStale { agent: named.agent.clone(), current };
    of_failure(Failure::Rejected(reject), &About::agent(named))
}

#[cfg(test)]
mod tests;
