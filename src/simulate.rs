//! The router without the service: arrivals go through `routing::decide`, `routing::evolve` and the availability index in this
//! process, called one after another on a clock that jumps from event to event.
//!
//! What is simulated is the product's own code, so that a scenario answers what the service would do; there is no store, no
//! stream and no wire. Equal input and seed give equal output. Start at [`scenario`] (arrivals drawn from distributions) or
//! [`calls`] (arrivals recorded elsewhere), then [`run`](run::Run), which plays either on a [`world`](world::World).

pub mod bank;
pub mod calls;
pub mod draw;
pub mod measure;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod world;
