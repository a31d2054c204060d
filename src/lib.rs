//! Handoff: escalation routing for customer service.

pub mod availability;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod entropy;
pub mod grpc;
pub mod policy;
pub mod probes;
pub mod proto;
pub mod routing;
pub mod shutdown;
pub mod simulate;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod yaml;
