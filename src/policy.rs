//! The desk's rules as data: catalogue, classification, queues, limits. Written as YAML ([`parse`]), pinned by a ticket at its
//! first enqueue, and asked by `routing::decide` for everything that is not the same on every desk.

pub mod classify;
pub mod condition;
pub mod parse;
pub mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::id::QueueId;
use crate::domain::requirement::{Channel, Requirement};
use crate::domain::time::Span;
use condition::Condition;
use queue::Queue;

/// A policy that passed its checks: every queue named in it exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// 0: built in.
    pub revision: u32,
    pub catalogue: Catalogue,
    /// The first rule that matches wins; without one, the channel's entry in `default_queues`.
    pub classification: Vec<Rule>,
    /// Complete: every channel has one.
    pub default_queues: BTreeMap<Channel, QueueId>,
    pub queues: BTreeMap<QueueId, Queue>,
    pub limits: Limits,
}

/// What it lists is enforced (a typo is refused, not a NEVER); what it does not list is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    pub skills: Option<BTreeSet<Arc<str>>>,
    /// Authority and its currency; `None`: a plain right.
    pub authorities: Option<BTreeMap<Arc<str>, Option<Arc<str>>>>,
    pub categories: Option<BTreeSet<Arc<str>>>,
    pub break_reasons: Option<BTreeSet<Arc<str>>>,
    pub wrap_up_codes: Option<BTreeSet<Arc<str>>>,
}

/// One rule of the classification.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub name: Arc<str>,
    pub when: Condition,
    pub queue: QueueId,
    /// Added to what the caller asked for.
    pub requirement: Requirement,
    /// Used when the caller gave none.
    pub priority: Option<u8>,
}

/// Desk-wide settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After `expire_time`, while an accept still counts and nobody else is offered the leg. 0 to 5 s.
    pub accept_grace: Span,
    /// 0 to 3600 s.
    pub exclusion_after_decline: Span,
    /// After a miss, a lost agent, an unreachable or busy endpoint. 0 to 3600 s.
    pub exclusion_after_miss: Span,
    /// Until the connector must confirm an accepted offer. 1 to 120 s.
    pub confirmation: Span,
    /// A connector that nobody is subscribed to for this long is away. 1 to 60 s.
    pub connector_away: Span,
    /// A report of UNREACHABLE or BUSY_ELSEWHERE lapses after this time.
    pub endpoint_lapse: Span,
    /// Lost agents' active digital work is kept this long.
    pub lost_grace: Span,
    /// Preference for the agent whose digital work was requeued after a loss.
    pub lost_prefer: Span,
    /// A resume without room waits this long for its handler, then in its lane.
    pub resume_prefer: Span,
    /// Preference for the same agent after a requeue that asks for it.
    pub requeue_prefer: Span,
    /// Pause of a leg after every third failed connection.
    pub failure_pause: Span,
    /// A warning event at this many hops. 1 to 20.
    pub hop_soft: u8,
    /// The next transfer goes to the terminal destination instead. 1 to 20.
    pub hop_hard: u8,
    /// A to B to A inside this time is refused.
    pub ping_pong: Span,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            accept_grace: Span::from_secs(2),
            exclusion_after_decline: Span::from_secs(300),
            exclusion_after_miss: Span::from_secs(60),
            confirmation: Span::from_secs(15),
            connector_away: Span::from_secs(5),
            endpoint_lapse: Span::from_secs(60),
            lost_grace: Span::from_secs(300),
            lost_prefer: Span::from_secs(60),
            resume_prefer: Span::from_secs(120),
            requeue_prefer: Span::from_secs(30),
            failure_pause: Span::from_secs(30),
            hop_soft: 3,
            hop_hard: 5,
            ping_pong: Span::from_mins(30),
        }
    }
}

impl Policy {
    /// What a desk runs on until it is given a policy: one queue per channel, named like it, with the defaults of the product.
    pub fn built_in() -> Policy {
        let queue = |channel: &Channel| QueueId::parse(channel.word()).expect("channel words are names");
        Policy {
            revision: 0,
            catalogue: Catalogue::default(),
            classification: Vec::new(),
            default_queues: Channel::ALL.iter().map(|channel| (*channel, queue(channel))).collect(),
            queues: Channel::ALL.iter().map(|channel| (queue(channel), Queue::new(queue(channel)))).collect(),
            limits: Limits::default(),
        }
    }

    pub fn queue(&self, id: &QueueId) -> Option<&Queue> {
        self.queues.get(id)
    }
}
