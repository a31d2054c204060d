//! Decision streams: the hub that wakes their readers, who is subscribed, where a subscription starts, and the state of one.

pub mod cursor;
pub mod hub;
pub mod instances;
pub mod seats;
pub mod subscription;
