//! Decision streams: the hub that wakes them, and the state of one subscription.

pub mod hub;
