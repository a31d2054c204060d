//! Generates the API from `proto/` with protox, so that no protoc is needed.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const PROTO: &str = "proto";
const DESCRIPTOR: &str = "handoff_descriptor.bin";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let mut files = protos(&Path::new(PROTO).join("handoff/v1"))?;
    // Directory order is the machine's; the descriptor set is to be the same everywhere.
    files.sort();

    let mut compiler = protox::Compiler::new([PROTO])?;
    // With comments: reflection serves them too.
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    fs::write(out.join(DESCRIPTOR), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .btree_map(".")
        // A stream's items are moved once each; boxes would only make them tedious to build.
        .enum_attribute(".", "#[allow(clippy::large_enum_variant)]")
        // The same type that tonic-types puts into error details, so that an item's error and a call's are one.
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

fn protos(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(found)
}

// The modules that the generated code expects, siblings of each other under one parent:
//
//     pub mod google {
//         pub mod r#type {
//             tonic::include_proto!("google.r#type");
//         }
//     }
//     pub mod handoff {
//         pub mod v1 {
//             tonic::include_proto!("handoff.v1");
//         }
//     }
//
// and the descriptors: `tonic::include_file_descriptor_set!("handoff_descriptor")`.
