//! An agent's row: profile, presence and booked capacity, and when they are eligible.
//!
//! Presence is three separate things: what was declared (READY, BREAK, OFFLINE), the connection (a session, whose lease the
//! availability index keeps) and the load (`held`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{AgentId, AgentNo, ConnectorId, GroupNo};
use super::requirement::{Channel, Expertise, Pool};
use super::time::Time;

/// How an agent accepts on an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accepts {
    /// The agent presses accept, then is connected.
    #[default]
    Desktop,
    /// Answering is accepting.
    Endpoint,
    /// The offer is accepted as it is made.
    Auto,
}

/// Whether an endpoint can be reached, as its connector reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reachability {
    #[default]
    Reachable,
    Unreachable,
    BusyElsewhere,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub channel: Channel,
    pub connector: ConnectorId,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub address: Arc<str>,
    pub accepts: Accepts,
    #[serde(default)]
    pub reachability: Reachability,
    /// When a report of UNREACHABLE or BUSY_ELSEWHERE lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// Per-channel exceptions of an agent from the channel's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u16>,
    #[serde(default)]
    pub paused: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub display_name: Arc<str>,
    pub expertise: Expertise,
    /// Points in each pool; 100 unless listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<Pool, u16>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<Channel, ChannelRule>,
    /// At most one per channel. A channel without one is reached through the agent's session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
}

impl Profile {
    pub fn pool(&self, pool: Pool) -> u16 {
        self.pools.get(&pool).copied().unwrap_or(100)
    }

    pub fn weight(&self, channel: Channel) -> u16 {
        self.channels.get(&channel).and_then(|rule| rule.weight).unwrap_or(channel.default_weight())
    }

    pub fn max(&self, channel: Channel) -> u16 {
        self.channels.get(&channel).and_then(|rule| rule.max).unwrap_or(channel.default_max())
    }

    pub fn endpoint(&self, channel: Channel) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.channel == channel)
    }

    /// Channels on which nothing is offered now, whatever the load: paused, or the endpoint cannot be reached.
    pub fn blocked(&self) -> u8 {
        let paused = self.channels.iter().filter(|(_, rule)| rule.paused).map(|(channel, _)| channel.bit());
        let away = self
            .endpoints
            .iter()
            .filter(|end| end.reachability != Reachability::Reachable)
            .map(|end| end.channel.bit());
        paused.chain(away).fold(0, |mask, bit| mask | bit)
    }
}

/// What the agent, or a supervisor, said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Declared {
    Ready,
    Break {
        reason: Arc<str>,
    },
    #[default]
    Offline,
}

/// What happens to an agent's active digital work when they go OFFLINE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenWork {
    #[default]
    Keep,
    Requeue,
}

/// A declared state that applies when the current work has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextDeclared {
    pub declared: Declared,
    pub open_work: OpenWork,
}

/// The one connection of an agent. Its lease is renewed by heartbeats and kept in the availability index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub epoch: u64,
    /// SHA-256 of the secret, hex: a reconnect within the lease must show the secret.
    pub secret_hash: Arc<str>,
    /// Devices that joined, oldest first; at most [`Session::MAX_DEVICES`].
    pub devices: Vec<Arc<str>>,
    pub start_time: Time,
}

impl Session {
    pub const MAX_DEVICES: usize = 8;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    pub id: AgentId,
    pub number: AgentNo,
    /// Rises with any change of the row, presence and load included.
    pub ver: u64,
    /// Rises with changes of the profile; the etag.
    pub profile_rev: u64,
    /// Shared by the versions of a row: work changes what an agent holds, seldom what an agent is.
    pub profile: Arc<Profile>,
    /// The interned `profile.expertise`.
    pub group: GroupNo,
    pub deleted: bool,
    pub create_time: Time,
    pub update_time: Time,
    pub declared: Declared,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_declared: Option<NextDeclared>,
    /// Since when `declared` holds.
    pub since: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The highest epoch ever given; the next session gets one more.
    pub last_epoch: u64,
    /// Missed offers in a row.
    pub misses: u8,
    /// Two misses in a row: no offers until the agent says READY again.
    pub not_responding: bool,
    pub used_live: u16,
    pub used_deferred: u16,
    /// Pieces of work per channel, from offer to end of wrap-up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<Channel, u16>,
    /// Zero time: never.
    pub last_accept_time: Time,
    /// The connection was lost while digital work was active: when that work is requeued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_until: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<Time>,
}

impl Agent {
    pub fn used(&self, pool: Pool) -> u16 {
        match pool {
            Pool::Live => self.used_live,
            Pool::Deferred => self.used_deferred,
        }
    }

    pub fn held(&self, channel: Channel) -> u16 {
        self.held.get(&channel).copied().unwrap_or(0)
    }

    pub fn holds_nothing(&self) -> bool {
        self.held.values().all(|count| *count == 0)
    }

    /// Whether the session of this epoch has ended.
    pub fn is_over(&self, epoch: u64) -> bool {
        let current = self.session.as_ref().is_some_and(|session| session.epoch == epoch);
        self.deleted || (epoch <= self.last_epoch && !current)
    }

    /// READY, connected and answering: whether work may be offered at all, capacity apart.
    pub fn on_duty(&self) -> bool {
        !self.deleted
            && self.declared == Declared::Ready
            && self.session.is_some()
            && !self.not_responding
            && self.next_declared.is_none()
    }

    /// Whether there is room for one more piece of work on this channel.
    pub fn has_room(&self, channel: Channel) -> bool {
        let pool = channel.pool();
        let phone_stands_in_the_way = pool == Pool::Deferred && self.held(Channel::Phone) > 0;
        self.held(channel) < self.profile.max(channel)
            && u32::from(self.used(pool)) + u32::from(self.profile.weight(channel))
                <= u32::from(self.profile.pool(pool))
            && !phone_stands_in_the_way
    }

    /// Channels with room that are neither paused nor unreachable, as a mask of [`Channel::bit`].
    pub fn room(&self) -> u8 {
        let with_room = Channel::ALL
            .iter()
            .filter(|channel| self.has_room(**channel))
            .fold(0, |mask, channel| mask | channel.bit());
        with_room & !self.profile.blocked()
    }

    /// Percent of the fuller pool, as the order among agents counts it.
    pub fn load_percent(&self) -> u16 {
        let percent = |used: u16, pool: u16| match pool {
            0 if used > 0 => 100,
            0 => 0,
            // A pool made small under much work is far over its limit: how far does not matter any more.
            pool => u16::try_from(u32::from(used) * 100 / u32::from(pool)).unwrap_or(u16::MAX),
        };
        percent(self.used_live, self.profile.pool(Pool::Live))
            .max(percent(self.used_deferred, self.profile.pool(Pool::Deferred)))
    }
}
