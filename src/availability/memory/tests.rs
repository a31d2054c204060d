//! The rules of choosing, one by one.
