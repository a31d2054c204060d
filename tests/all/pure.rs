//! The pure core against the product's rules: tables read from the specification, and random sequences of every command with the
//! invariants checked after each.

mod agents;
mod checks;
mod commands;
mod desk;
mod endings;
mod exclusions;
mod fallback;
mod handover;
mod limits;
mod offers;
mod sequences;
mod tickets;
mod updates;
mod world;
