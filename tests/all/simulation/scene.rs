//! The desk that the simulation plays on: that of the pure tests, under a policy in which everything happens within seconds.

use std::sync::Arc;

use handoff::domain::agent::{Declared, OpenWork};
use handoff::domain::event::Actor;
use handoff::domain::id::{DeskId, DeskKey, TenantId};
use handoff::domain::time::Time;
use handoff::engine::{Call, Dedup};
use handoff::routing::command::{Command, SessionMode, Timing};
use handoff::store::DedupKey;

use crate::pure::desk;
use crate::pure::world::start_session;

/// When the first life begins.
pub const START: Time = Time(1_760_000_000_000_000);

/// Every queue of the pure desk, with short times.
const QUICK: &str = "
queues:
  phone: {offer_timeout: 6s, wrap_up: 2s, prefer: 3s, reopen_window: 5s, unassigned_timeout: 1m}
  chat: {offer_timeout: 5s, prefer: 3s, reopen_window: 4s, parallel_offers: 2, unassigned_timeout: 1m}
  social: {offer_timeout: 8s, prefer: 4s, reopen_window: 4s, unassigned_timeout: 1m}
  email: {offer_timeout: 10s, prefer: 4s, reopen_window: 10s, wrap_up: 1s, unassigned_timeout: 2m}
  portal: {offer_timeout: 10s, prefer: 4s, after_contact: resolve, unassigned_timeout: 2m}
  billing: {offer_timeout: 5s, max_waiting: 2, when_full: {queue: overflow}}
  overflow: {offer_timeout: 5s, max_waiting: 3}
  vip: {ordering: strict, strategy: best, offer_timeout: 5s, after_contact: resolve, wrap_up: 0s}
  late: {ordering: deadline, offer_timeout: 5s, unassigned_timeout: 1m, terminal: {queue: last, requirement: {min_tier: 2}}}
  last: {offer_timeout: 5s, unassigned_timeout: 1m}
  pair: {parallel_offers: 3, offer_timeout: 6s, wrap_up: 3s, after_contact: keep}
limits:
  accept_grace: 1s
  exclusion_after_decline: 8s
  exclusion_after_miss: 4s
  confirmation: 3s
  connector_away: 2s
  endpoint_lapse: 5s
  lost_grace: 4s
  lost_prefer: 3s
  resume_prefer: 4s
  requeue_prefer: 3s
  failure_pause: 3s
  ping_pong: 10s
";

/// The same queues, fewer hops, no grace.
const OTHER: &str = "
classification:
  - name: other
    when: {category: other}
    queue: vip
    requirement: {skills: {vpn: 3}}
    priority: 30
queues:
  phone: {offer_timeout: 5s, wrap_up: 1s, prefer: 2s}
  chat: {offer_timeout: 6s, prefer: 2s, parallel_offers: 3}
  social: {offer_timeout: 5s, prefer: 2s}
  email: {offer_timeout: 7s, prefer: 2s}
  portal: {offer_timeout: 7s, prefer: 2s}
  billing: {offer_timeout: 5s, max_waiting: 1}
  overflow: {offer_timeout: 5s}
  vip: {offer_timeout: 5s, after_contact: keep, wrap_up: 2s, parallel_offers: 2}
  late: {offer_timeout: 5s, unassigned_timeout: 1m, terminal: {queue: last, requirement: {min_tier: 3}}}
  last: {offer_timeout: 5s, unassigned_timeout: 1m}
  pair: {offer_timeout: 5s, ordering: strict, strategy: best, reopen_window: 1h}
limits: {accept_grace: 0s, hop_soft: 1, hop_hard: 2, exclusion_after_decline: 3s, exclusion_after_miss: 3s, lost_grace: 2s}
";

pub const POLICIES: [&str; 2] = [QUICK, OTHER];

pub fn desk_key() -> DeskKey {
    DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("help").expect("a name") }
}

/// A call under this request id.
pub fn call(command: Command, request: Option<&str>, body: &str) -> Call {
    let dedup = request.map(|key| Dedup {
        key: DedupKey {
            tenant: TenantId::embedded(),
            caller: Arc::from("simulation"),
            method: Arc::from("call"),
            key: Arc::from(key),
        },
        request_hash: Arc::from(body),
    });
    Call { desk: desk_key(), actor: Actor::Caller, command, dedup, validate_only: false }
}

/// What brings the desk about, in order.
pub fn opening() -> Vec<Command> {
    let mut commands = vec![
        Command::CreateDesk { display_name: Arc::from("Help"), time_zone: Arc::from("UTC") },
        Command::UpdatePolicy {
            source: Arc::from(QUICK),
            author: Arc::from(""),
            change_note: Arc::from(""),
            etag: None,
        },
    ];
    let connectors = desk::connectors().into_iter();
    commands.extend(connectors.map(|connector| Command::CreateConnector { connector: Box::new(connector) }));
    for (agent, profile) in desk::agents() {
        commands.push(Command::CreateAgent { agent: agent.clone(), profile: Box::new(profile) });
        commands.push(start_session(&agent, "desk", SessionMode::Join, "s", None));
        commands.push(Command::SetAgentState {
            agent,
            declared: Declared::Ready,
            timing: Timing::Now,
            open_work: OpenWork::Keep,
        });
    }
    commands
}
