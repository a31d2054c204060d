//! The command line: one binary, one subcommand per file. Data goes to stdout, everything else to stderr; a command that fails
//! says why in one line and exits with 1, one that was called wrongly with 2.

mod apply;
mod bench;
mod demo;
mod export;
mod folder;
mod migrate;
mod serve;
mod service;
mod simulate;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::yaml::Place;

#[derive(Debug, Parser)]
#[command(
    name = "handoff",
    version,
    about = "Escalation routing for customer service",
    after_help = "Examples:\n  \
        handoff serve                              listen on 127.0.0.1:50051, keep data in the user's data directory\n  \
        handoff apply examples/desk.yaml           create a desk with its connectors, agents and policy\n  \
        handoff apply desk.yaml --dry-run          show what would change\n  \
        handoff export support > desk.yaml         write a desk as a file that apply takes\n  \
        handoff migrate --database-url URL         bring a PostgreSQL database to this version's schema\n  \
        handoff simulate --scenario FILE           who would wait how long with these agents"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Apply(apply::Args),
    Export(export::Args),
    Migrate(migrate::Args),
    Bench(bench::Args),
    Simulate(simulate::Args),
}

/// Where the server of a client command is.
#[derive(Debug, clap::Args)]
struct Server {
    /// Server to talk to
    #[arg(long, value_name = "URL", env = "HANDOFF_SERVER", default_value = "http://127.0.0.1:50051")]
    server: String,
}

/// Runs the command that the process was called with.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Export(args) => export::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Simulate(args) => simulate::run(args),
    };
    outcome.unwrap_or_else(|error| {
        complain(&one_line(&error));
        ExitCode::FAILURE
    })
}

/// An error with its causes, each said once.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors repeat their cause.
        if !line.contains(&cause) {
            line = if line.is_empty() { cause } else { format!("{line}: {cause}") };
        }
    }
    line
}

/// Writes data. A reader that has gone (`| head`) is no failure of ours, but there is nothing left to do.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says something to the person at the terminal. When even stderr is gone there is nobody to tell.
#[expect(clippy::print_stderr, reason = "the one place where the command line speaks to people")]
fn complain(text: &str) {
    eprintln!("handoff: {text}");
}

/// `desk.yaml:3:5: `, as editors and terminals link it.
fn place(file: &str, place: Place) -> String {
    match (place.line, place.column) {
        (0, _) => format!("{file}: "),
        (line, 0) => format!("{file}:{line}: "),
        (line, column) => format!("{file}:{line}:{column}: "),
    }
}

/// Runs asynchronous work on a runtime of its own.
fn block_on<F: Future>(work: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let output = runtime.block_on(work);
    // What still runs holds nothing that is worth waiting for: what was to be kept is kept.
    runtime.shutdown_background();
    Ok(output)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn an_error_is_one_line_with_every_cause_once() {
        let error = anyhow::anyhow!("the disk is full").context("cannot write: the disk is full").context("stopped");
        assert_eq!(one_line(&error), "stopped: cannot write: the disk is full");
    }
}
