//! The API over gRPC: one file per service; what is decoded, checked and rendered here is nowhere else known.

pub mod status;
