//! The API over gRPC: one file per service; what is decoded, checked and rendered here is nowhere else known.
//!
//! A call is read by [`form`], which collects everything that is wrong with it, becomes a command in [`call`], and its answer
//! is drawn by [`render`]. Every error leaves through [`status`].

pub mod agents;
pub mod call;
pub mod decisions;
pub mod desks;
pub mod filter;
pub mod form;
pub mod name;
pub mod offers;
pub mod page;
pub mod policies;
pub mod render;
pub mod serve;
mod sessions;
pub mod status;
pub mod tickets;
pub mod words;
