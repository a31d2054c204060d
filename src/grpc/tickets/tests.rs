//! How the calls on tickets are read.
