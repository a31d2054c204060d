//! The `handoff` binary: everything is in the library.

/// Most of what the service does is small rows and strings that live for one call, made by one thread and dropped by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    handoff::cli::run()
}
