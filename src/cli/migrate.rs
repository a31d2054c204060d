//! `handoff migrate`: brings a PostgreSQL database to this version's schema.

use std::process::ExitCode;

use anyhow::Context;

use super::{block_on, complain};
use crate::store::postgres::{Migrated, PostgresStore};

/// Bring a PostgreSQL database to this version's schema
///
/// Safe to run at any time and by several processes at once: one of them works, the others wait for it. A database that is newer
/// already is left alone. Needs the rights to create tables (docs/postgres.md); the service itself does not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    handoff migrate --database-url postgres://handoff_migrator@db/handoff\n  \
    HANDOFF_DATABASE_URL=postgres:///handoff handoff migrate")]
pub(super) struct Args {
    /// Database to migrate, PostgreSQL 15 or later
    #[arg(long, value_name = "URL", env = "HANDOFF_DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Migrated { applied, schema } =
        block_on(PostgresStore::migrate(&args.database_url))?.context("cannot migrate the database")?;
    match applied {
        0 => complain(&format!("the schema is at {schema} already")),
        1 => complain(&format!("1 migration done, the schema is at {schema}")),
        _ => complain(&format!("{applied} migrations done, the schema is at {schema}")),
    }
    Ok(ExitCode::SUCCESS)
}
