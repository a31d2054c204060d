//! Handoff: escalation routing for customer service.

pub mod availability;
pub mod domain;
pub mod policy;
pub mod routing;
