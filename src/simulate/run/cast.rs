//! Who plays: customers to come, agents, and the connector between them.

use std::sync::Arc;

use crate::domain::agent::{Accepts, Endpoint, Profile, Reachability};
use crate::domain::connector::{Connector, Reach};
use crate::domain::id::{AgentId, ConnectorId};
use crate::domain::requirement::{Channel, Requirement};
use crate::domain::time::{Span, Time};
use crate::simulate::draw::Draw;

/// What tickets of one kind have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    pub channel: Channel,
    /// The queue, if one is asked for, is part of it.
    pub requirement: Requirement,
    pub priority: Option<u8>,
}

/// A customer to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    pub at: Time,
    /// Place in the list of kinds.
    pub kind: usize,
    pub handling: Span,
    /// `None`: waits for as long as it takes.
    pub patience: Option<Span>,
    /// Counted as waited before.
    pub credit: Span,
}

/// An agent to be on the desk.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: AgentId,
    /// Place in the list of groups that usage is counted for.
    pub group: usize,
    pub profile: Profile,
    /// How long until an offer is answered. `None`: at once.
    pub answer: Option<Draw>,
    /// Times on duty: from, until. An open end is [`Time`]'s largest.
    pub shifts: Vec<(Time, Time)>,
}

pub(super) fn connector() -> ConnectorId {
    ConnectorId::parse("simulated").expect("a name")
}

/// Connects every customer at once, on all channels.
pub(super) fn telephony(now: Time) -> Connector {
    Connector {
        id: connector(),
        ver: 1,
        display_name: Arc::from(""),
        reach: Reach::Own,
        channels: Channel::ALL.into(),
        confirmation: Channel::ALL.map(|channel| (channel, false)).into(),
        affinity: None,
        kinds: Default::default(),
        create_time: now,
        update_time: now,
        deleted: false,
        away: false,
    }
}

/// An endpoint at which an offer is accepted as it is made.
pub(super) fn by_itself(channel: Channel) -> Endpoint {
    Endpoint {
        channel,
        connector: connector(),
        address: Arc::from(""),
        accepts: Accepts::Auto,
        reachability: Reachability::Reachable,
        until: None,
    }
}
