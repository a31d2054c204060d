//! Tests of the statements themselves.
