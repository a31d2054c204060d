//! One replica under faults: the engine, its timers and the streams as `serve` runs them, with only the ports replaced.

pub mod ports;
pub mod store;
pub mod trace;
pub mod weather;
