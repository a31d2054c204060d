//! The words of the product as types: what a ticket, a leg, an offer, an agent and an event are.
//!
//! Nothing here performs I/O, reads a clock or knows SQL, Redis or protobuf. Rows ([`ticket::Ticket`], [`agent::Agent`])
//! are changed only by `routing::evolve`; this layer holds their shape and the questions one can ask of them.

pub mod agent;
pub mod bucket;
pub mod connector;
pub mod desk;
pub mod event;
pub mod id;
pub mod leg;
pub mod log;
pub mod offer;
pub mod readers;
pub mod record;
pub mod requirement;
pub mod ticket;
pub mod time;
