//! A scenario: who comes how often, with what, and who is there for it. Written as YAML ([`read`]), played by [`play`].

mod play;
mod read;

use std::sync::Arc;

use super::draw::Law;
use super::run::Kind;
use crate::domain::agent::Profile;
use crate::domain::time::Span;
use crate::policy::Policy;

pub use play::{Figures, Played, Served, drawn, play};
pub use read::read;

/// Tickets that one run may have, warm-up included.
pub const MAX_TICKETS: u32 = 50_000_000;
/// Agents of all groups together.
pub const MAX_AGENTS: u32 = 5_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Measured ones, of all classes together.
    pub tickets: u64,
    /// Tickets before these that are not measured, while the queues fill.
    pub warm_up: u64,
    pub seed: u64,
    /// Waits for which the share of those answered within is told.
    pub within: Vec<Span>,
    pub policy: Policy,
    pub classes: Vec<Class>,
    pub groups: Vec<Group>,
}

/// Tickets of one kind, who come as a Poisson process.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    pub name: Arc<str>,
    pub kind: Kind,
    /// Arrivals per second.
    pub rate: f64,
    pub handling: Law,
    /// `None`: nobody gives up.
    pub patience: Option<Law>,
}

/// Agents who are alike, on duty all the time.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: Arc<str>,
    pub count: u32,
    pub profile: Profile,
    /// How long until an offer is answered. `None`: at once.
    pub answer: Option<Law>,
}
