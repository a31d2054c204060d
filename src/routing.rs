//! The rules: who is eligible, in which order, what each command does. Pure: no I/O, no clock, no randomness.

pub mod command;
pub mod decide;
pub mod due;
pub mod evolve;
pub mod explain;
pub mod lanes;
pub mod order;
pub mod reject;
pub mod roster;
pub mod waiters;
pub mod workset;
