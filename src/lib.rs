//! Handoff: escalation routing for customer service.

pub mod availability;
pub mod clock;
pub mod domain;
pub mod entropy;
pub mod policy;
pub mod routing;
pub mod store;
