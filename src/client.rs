//! Clients of the API, each of them over gRPC: they know the server by its contract only.

pub mod apply;
pub mod bench;
pub mod connection;
pub mod demo;
pub mod document;
pub mod export;
