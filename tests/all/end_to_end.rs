//! The service as strangers meet it: over real gRPC, from the first call to the last, with its log read behind its back.

mod bad_input;
mod lifecycle;
mod races;
mod records;

use std::io::Write;

/// Shown whether a test passes or not: figures and seeds are part of the proof.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error takes it");
}
