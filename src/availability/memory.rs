//! The availability index in this process: ordered sets, one lock per call.
