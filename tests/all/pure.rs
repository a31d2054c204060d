//! The pure core against the product's rules: tables read from the specification, and random sequences of every command with the
//! invariants checked after each.

mod agents;
pub mod checks;
pub mod commands;
pub mod desk;
mod endings;
mod exclusions;
mod fallback;
mod handover;
mod limits;
mod offers;
mod sequences;
mod tickets;
mod updates;
pub mod world;
