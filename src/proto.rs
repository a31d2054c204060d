//! The generated API. Only `grpc` and `client` may know it.

#![allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]

pub mod google {
    pub mod r#type {
        tonic::include_proto!("google.r#type");
    }
}

pub mod handoff {
    pub mod v1 {
        tonic::include_proto!("handoff.v1");
    }
}

/// The descriptors of everything above, with comments, for reflection.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("handoff_descriptor");
