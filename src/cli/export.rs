//! `handoff export`: desks as a file.

use std::process::ExitCode;

use crate::client::connection::Connection;
use crate::client::export::export;
use crate::clock::Clock;
use crate::entropy::Entropy;

/// Write desks with their connectors, agents and policies as a file that `apply` takes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    handoff export > desks.yaml\n  \
    handoff export support sales > desks.yaml\n  \
    handoff export --server http://127.0.0.1:50052 | handoff apply - --server http://127.0.0.1:50051")]
pub struct Args {
    /// Desks to write, by id; all if none is named
    #[arg(value_name = "DESK")]
    desks: Vec<String>,
    #[command(flatten)]
    server: super::Server,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = super::block_on(async {
        let connection = Connection::open(&args.server.server, Clock::new(1), Entropy::from_system()).await?;
        anyhow::Ok(export(&connection, &args.desks).await?)
    })??;
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
