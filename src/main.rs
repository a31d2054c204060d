//! The `handoff` binary: everything is in the library.

fn main() -> std::process::ExitCode {
    handoff::cli::run()
}
