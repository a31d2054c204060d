//! A channel adapter with a durable subscription to a desk's decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::ConnectorId;
use super::requirement::Channel;
use super::time::Time;

/// Which decisions of the desk a connector is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Those of the tickets it created, and those of agents whom it reaches.
    #[default]
    Own,
    /// Every decision on its channels. For monitors: such a connector cannot confirm.
    Channel,
    /// Every decision of the desk. For monitors: such a connector cannot confirm.
    Desk,
}

/// Whether a ticket's decisions follow the process that created it. Default: INSTANCE on the phone and in chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Affinity {
    Any,
    Instance,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connector {
    pub id: ConnectorId,
    /// Rises with every change; the etag.
    pub ver: u64,
    pub display_name: Arc<str>,
    pub reach: Reach,
    /// Empty: all channels.
    pub channels: BTreeSet<Channel>,
    /// Channels on which an accepted offer is CONNECTING until this connector confirms it.
    pub confirmation: BTreeMap<Channel, bool>,
    pub affinity: Option<Affinity>,
    /// Kinds of decision sent; empty: all.
    pub kinds: BTreeSet<Arc<str>>,
    pub create_time: Time,
    pub update_time: Time,
    pub deleted: bool,
    /// Nobody has been subscribed for longer than the policy allows: LIVE legs of its tickets wait.
    pub away: bool,
}

impl Connector {
    pub fn serves(&self, channel: Channel) -> bool {
        self.channels.is_empty() || self.channels.contains(&channel)
    }

    /// Whether decisions on this channel follow the process that created their ticket: on the phone and in chat unless said
    /// otherwise.
    pub fn follows_instance(&self, channel: Channel) -> bool {
        match self.affinity {
            Some(Affinity::Instance) => true,
            Some(Affinity::Any) => false,
            None => matches!(channel, Channel::Phone | Channel::Chat),
        }
    }

    /// Whether an accept on this channel waits for a confirmation: yes on the phone unless said otherwise.
    pub fn confirms(&self, channel: Channel) -> bool {
        self.confirmation.get(&channel).copied().unwrap_or(channel == Channel::Phone)
    }
}
