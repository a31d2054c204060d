//! Every integration test, in one binary: it is linked once.

mod engine;
mod harness;
mod pure;
mod tidy;
