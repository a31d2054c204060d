//! Every integration test, in one binary: it is linked once.

mod bad_input;
mod commands;
mod conformance;
mod databases;
mod differential;
mod end_to_end;
mod engine;
mod harness;
mod model;
mod moves;
mod oracles;
mod pure;
mod redis;
mod replicas;
mod simulation;
mod streams;
mod tidy;
