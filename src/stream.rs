//! Decision streams: the hub that wakes their readers, who is subscribed, where a subscription starts, and the state of one.

pub mod cursor;
pub mod hub;
pub mod seats;
pub mod subscription;
