//! The demonstration: a morning of a service desk, played over gRPC and judged by what its connectors wrote down.
mod cast;
mod check;
mod ledger;
mod plot;
mod print;
mod table;
mod traffic;
mod words;
