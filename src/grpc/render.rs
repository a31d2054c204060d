//! Drawing rows and log entries as messages. Pure: whatever an answer needs beyond its row is handed in.

pub mod agent;
pub mod connector;
pub mod decision;
mod event;
mod leg;
mod needs;
mod offer;
mod policy;
mod record;
pub mod session;
mod ticket;
mod transfer;

pub use event::{History, decision_id, hide_from_customer};
pub use leg::leg;
pub use needs::{amount, attributes, customer, requirement};
pub use offer::{brief, endpoint, offer};
pub use policy::{diagnostic, policy};
pub use record::{exclusion_counts, record};
pub use ticket::{View, concession, hold, resolution, ticket, wait};
pub use transfer::transfer;

use prost_types::{Duration, Timestamp};

use super::name;
use super::words::Word;
use crate::domain::desk::Desk;
use crate::domain::event::Actor;
use crate::domain::id::{AgentId, DeskId};
use crate::domain::time::{Span, Time};
use crate::proto::handoff::v1 as pb;

const MICROS: i64 = 1_000_000;

pub fn timestamp(time: Time) -> Timestamp {
    Timestamp { seconds: time.0.div_euclid(MICROS), nanos: nanos(time.0.rem_euclid(MICROS)) }
}

/// Negative spans, which no answer should have, are drawn as protobuf wants them: both parts negative.
pub fn duration(span: Span) -> Duration {
    Duration { seconds: span.0 / MICROS, nanos: nanos(span.0 % MICROS) }
}

fn nanos(micros: i64) -> i32 {
    i32::try_from(micros * 1_000).expect("less than a second")
}

/// For messages and metadata.
pub fn rfc3339(time: Time) -> String {
    jiff::Timestamp::from_microsecond(time.0).map_or_else(|_| format!("{} us", time.0), |time| time.to_string())
}

/// The number of an enum that may be absent; 0 is UNSPECIFIED.
pub fn number<T: Word>(value: Option<T>) -> i32 {
    value.map_or(0, Word::number)
}

pub fn etag(version: u64) -> String {
    version.to_string()
}

/// The agent's name, or nothing.
pub fn agent_name(desk: &DeskId, agent: Option<&AgentId>) -> String {
    agent.map_or_else(String::new, |agent| name::agent(desk, agent))
}

pub fn actor(desk: &DeskId, actor: &Actor) -> pb::Actor {
    let (kind, name) = match actor {
        Actor::System => (pb::ActorKind::System, String::new()),
        Actor::Connector(connector) => (pb::ActorKind::Connector, name::connector(desk, connector)),
        Actor::Agent(agent) => (pb::ActorKind::Agent, name::agent(desk, agent)),
        Actor::Caller => (pb::ActorKind::Caller, String::new()),
    };
    pb::Actor { kind: kind as i32, name }
}

pub fn desk(desk: &Desk) -> pb::Desk {
    pb::Desk {
        name: name::desk(&desk.id),
        display_name: desk.display_name.to_string(),
        time_zone: desk.time_zone.to_string(),
        create_time: Some(timestamp(desk.create_time)),
        update_time: Some(timestamp(desk.update_time)),
        etag: etag(desk.ver),
    }
}

/// The last message of a stream that the server closes because it stops. `resume`: where a subscription goes on.
pub fn going_away(resume: Option<pb::Cursor>, reconnect_delay: Span) -> pb::GoingAway {
    pb::GoingAway {
        reason: pb::GoingAwayReason::ShuttingDown as i32,
        resume,
        reconnect_delay: Some(duration(reconnect_delay)),
    }
}

#[cfg(test)]
mod tests;
