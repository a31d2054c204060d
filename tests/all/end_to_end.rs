//! The service as strangers meet it: over real gRPC, from the first call to the last, with its log read behind its back.

mod bad_input;
mod lifecycle;
mod races;
mod records;
