//! Every integration test, in one binary: it is linked once.

mod bad_input;
mod tidy;
