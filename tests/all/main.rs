//! Every integration test, in one binary: it is linked once.

mod bad_input;
mod conformance;
mod differential;
mod engine;
mod harness;
mod pure;
mod streams;
mod tidy;
