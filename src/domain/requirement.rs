//! What a leg needs and what an agent has: channels, bands, skills, tiers, authorities, languages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::QueueId;

/// The kind of medium a ticket arrives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Phone,
    Chat,
    Social,
    Email,
    Portal,
}

impl Channel {
    pub const ALL: [Channel; 5] = [Channel::Phone, Channel::Chat, Channel::Social, Channel::Email, Channel::Portal];

    /// The pool that work on this channel is booked in. Pools go by channel, bands by queue.
    pub const fn pool(self) -> Pool {
        match self {
            Channel::Phone | Channel::Chat | Channel::Social => Pool::Live,
            Channel::Email | Channel::Portal => Pool::Deferred,
        }
    }

    /// Points of the pool that one piece of work takes unless the agent's profile says otherwise.
    pub const fn default_weight(self) -> u16 {
        match self {
            Channel::Phone => 100,
            Channel::Chat | Channel::Social => 20,
            Channel::Email | Channel::Portal => 10,
        }
    }

    /// How many pieces of work on this channel an agent has at once unless the agent's profile says otherwise.
    pub const fn default_max(self) -> u16 {
        match self {
            Channel::Phone => 1,
            Channel::Chat | Channel::Social => 4,
            Channel::Email | Channel::Portal => 5,
        }
    }

    /// The lower-case word used in files, logs and lanes.
    pub const fn word(self) -> &'static str {
        match self {
            Channel::Phone => "phone",
            Channel::Chat => "chat",
            Channel::Social => "social",
            Channel::Email => "email",
            Channel::Portal => "portal",
        }
    }

    /// This channel's bit in a room mask.
    pub const fn bit(self) -> u8 {
        match self {
            Channel::Phone => 1,
            Channel::Chat => 2,
            Channel::Social => 4,
            Channel::Email => 8,
            Channel::Portal => 16,
        }
    }
}

/// One of an agent's two capacity pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    Live,
    Deferred,
}

/// The urgency class of a queue. A smaller band is served first, whatever the waiting times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    Emergency,
    Live,
    Deferred,
}

impl Band {
    /// The first digit of an order key.
    pub const fn digit(self) -> u8 {
        match self {
            Band::Emergency => 0,
            Band::Live => 1,
            Band::Deferred => 2,
        }
    }
}

/// Which of several equally fitting agents is taken first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The least skilled agent who is skilled enough: rare skills are kept free.
    #[default]
    Scarce,
    /// The most skilled agent.
    Best,
}

/// How a queue orders its legs. Each ordering yields a time, so that queues with different ones compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// `arrival - 60 s x priority - credits + time that was the customer's turn`
    #[default]
    Arrival,
    /// `enqueue - 30 d x priority`
    Strict,
    /// The first-response deadline: `arrival + target + time that was the customer's turn`.
    Deadline,
}

/// An amount of money in millionths of a unit of its currency (ISO 4217).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Amount {
    pub currency: Arc<str>,
    pub micros: i64,
}

/// What was asked for. Names are free text of the desk's catalogue; amounts are as given.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Requirement {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    /// Skill and the lowest sufficient level, 1 to 10.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skills: BTreeMap<Arc<str>, u8>,
    /// Lowest sufficient tier, 1 to 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_tier: Option<u8>,
    /// Authority and the amount it must cover; `None` asks for the plain right.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authorities: BTreeMap<Arc<str>, Option<Amount>>,
    /// BCP 47, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Arc<str>>,
    /// Only of this team. Nobody asks for it: a leg has it whose named agent could not take it and left it to the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Arc<str>>,
}

/// The part of an agent's profile that matching looks at. Agents with equal ones share a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Expertise {
    #[serde(default)]
    pub team: Arc<str>,
    /// 1 to 9; a higher number is more.
    pub tier: u8,
    /// Skill and level, 1 to 10.
    #[serde(default)]
    pub skills: BTreeMap<Arc<str>, u8>,
    /// BCP 47, lower case.
    #[serde(default)]
    pub languages: BTreeSet<Arc<str>>,
    /// Authority and its limit; `None` is without limit.
    #[serde(default)]
    pub authorities: BTreeMap<Arc<str>, Option<Amount>>,
}
