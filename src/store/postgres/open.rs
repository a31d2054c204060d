//! Opening: what is checked before anything is promised, and the migrations.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use super::session::{all, arguments};
use super::{PostgresStore, statements as own};
use crate::store::migrations::Step;
use crate::store::recent::Recent;
use crate::store::session::Session as _;
use crate::store::{Error, migrations, rows, statements};

/// How long a connection is waited for. While the server is away callers are told to come again, before their own patience ends.
const PATIENCE: Duration = Duration::from_secs(3);

const MIGRATIONS: &[Step] = &[
    (1, "tables", include_str!("../../../migrations/postgres/0001_tables.sql")),
    (2, "leases", include_str!("../../../migrations/postgres/0002_leases.sql")),
    (3, "readers", include_str!("../../../migrations/postgres/0003_readers.sql")),
    (4, "ties", include_str!("../../../migrations/postgres/0004_ties.sql")),
    (5, "quarantine", include_str!("../../../migrations/postgres/0005_quarantine.sql")),
    (6, "keys", include_str!("../../../migrations/postgres/0006_keys.sql")),
];

/// PostgreSQL 15.
const OLDEST_SERVER: i64 = 150_000;
/// More than there are tables.
const ANALYSED_AT_ONCE: usize = 16;
/// Months of the log that are made ahead.
const MONTHS_AHEAD: i64 = 2;
const WRITERS: u32 = 8;
const READERS: u32 = 8;
/// Scopes kept in memory.
const SCOPES: usize = 4_096;

/// Every statement is a walk over an index. The planner may not conclude otherwise from a table that is still small: such a plan
/// would be kept when it is large. Entries of rows that are gone are passed over by later walks, but not by bitmaps; and no
/// statement is worth starting another process for.
const PLANNER: [(&str, &str); 6] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_bitmapscan", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
];

/// What a statement outside the batches may take, in milliseconds; the batches set their own (`begin.sql`). A migration may take
/// as long as it takes.
const LIMITS: [(&str, &str); 2] = [("statement_timeout", "5000"), ("lock_timeout", "500")];

/// What [`PostgresStore::migrate`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// How many migrations were carried out.
    pub applied: u64,
    /// The number of the last one that is there.
    pub schema: i64,
}

/// The schema's number, 0 if there is none, and whether this version may run on it.
struct Schema {
    number: i64,
}

impl PostgresStore {
    /// Brings the schema up to this version, one process at a time; the others wait and find it done. A schema that is newer
    /// already is left alone.
    ///
    /// # Errors
    /// When the server cannot be used, or the schema needs a newer version than this.
    pub async fn migrate(url: &str) -> Result<Migrated, Error> {
        let mut connection = options(url)?.connect().await?;
        check_server(&mut connection).await?;
        let before = schema(&mut connection).await?.number;
        if before < newest() {
            // Under an advisory lock of the database.
            migrations::of(MIGRATIONS).run_direct(None, &mut connection, false).await.map_err(Error::Migrate)?;
        }
        let after = schema(&mut connection).await?.number;
        make_partitions(&mut connection).await?;
        connection.close().await?;
        let applied = MIGRATIONS.iter().filter(|(number, ..)| *number > before).count();
        Ok(Migrated { applied: applied as u64, schema: after })
    }

    /// Opens a database that is migrated. Any number of processes may have it open.
    ///
    /// # Errors
    /// When the server cannot be used, would lose what it has acknowledged, or its schema is not one for this version.
    pub async fn open(url: &str) -> Result<PostgresStore, Error> {
        let options = options(url)?;
        let mut connection = options.connect().await?;
        let order = check_server(&mut connection).await?;
        let found = schema(&mut connection).await?.number;
        if found < newest() {
            let newest = newest();
            let what = format!("its schema is at {found}, this version needs {newest}: run `handoff migrate` first");
            return Err(Error::Unfit(what));
        }
        make_partitions(&mut connection).await?;
        let incarnation: Option<(i64,)> = connection.first(&statements::INCARNATION, &[]).await?;
        let (incarnation,) = incarnation.ok_or_else(|| rows::corrupt("incarnation", "it was not minted"))?;
        connection.close().await?;
        let options = options.options(LIMITS);
        Ok(PostgresStore {
            writer: pool(WRITERS, &options).await?,
            readers: pool(READERS, &options).await?,
            lines: Default::default(),
            scopes: Recent::new(SCOPES),
            incarnation: rows::unsigned("incarnation", incarnation)?,
            order,
        })
    }
}

fn newest() -> i64 {
    MIGRATIONS.iter().map(|(number, ..)| *number).max().unwrap_or(0)
}

pub(super) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| Error::Unfit(format!("the database's URL cannot be read: {error}")))?;
    Ok(options.application_name("handoff").options(PLANNER))
}

async fn pool(connections: u32, options: &PgConnectOptions) -> Result<PgPool, Error> {
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
    Ok(pool.connect_with(options.clone()).await?)
}

/// The version, whether it takes writes, and whether it keeps what it has acknowledged. Answers a number that no other process
/// has.
async fn check_server(connection: &mut PgConnection) -> Result<i64, Error> {
    type Row = (i64, String, String, String, String, String, bool, i64);
    let found: Vec<Row> = all(&mut *connection, own::SETTINGS, arguments(&[])).await?;
    let settings = found.into_iter().next().ok_or_else(|| rows::corrupt("settings", "there are none"))?;
    let (number, version, fsync, commit, full_pages, standbys, only_reads, order) = settings;
    let unfit = |what: String| Err(Error::Unfit(what));
    if number < OLDEST_SERVER {
        return unfit(format!("PostgreSQL 15 or later is needed, this is {version}"));
    }
    if only_reads {
        return unfit("the server only reads, as a standby does: connect to the primary".to_owned());
    }
    if fsync != "on" || full_pages != "on" {
        return unfit(format!(
            "fsync is {fsync} and full_page_writes is {full_pages}: after a crash, acknowledged work would be lost"
        ));
    }
    if commit == "off" {
        let what = "synchronous_commit is off: acknowledged work would be lost in a crash. \
                    `ALTER ROLE ... SET synchronous_commit = on` turns it on for the service alone";
        return unfit(what.to_owned());
    }
    tracing::info!(version, synchronous_commit = commit, standbys, "PostgreSQL keeps what it acknowledges");
    if standbys.is_empty() || commit == "local" {
        tracing::info!("no standby confirms commits: one that is promoted may lack the last of them");
    }
    Ok(order)
}

/// Whether this version may run on it is checked before anything else of it is looked at.
async fn schema(connection: &mut PgConnection) -> Result<Schema, Error> {
    let exists: Vec<(bool,)> = all(&mut *connection, own::HAS_SCHEMA, arguments(&[])).await?;
    if !exists.contains(&(true,)) {
        return Ok(Schema { number: 0 });
    }
    let found: Vec<(String, i64)> = all(&mut *connection, own::SCHEMA, arguments(&[])).await?;
    let (min_binary, number) =
        found.into_iter().next().ok_or_else(|| rows::corrupt("schema", "it does not say who may run on it"))?;
    let this = env!("CARGO_PKG_VERSION");
    if release(this)? < release(&min_binary)? {
        let what = format!("its schema needs handoff {min_binary} or later, this is {this}: run the newer version");
        return Err(Error::Unfit(what));
    }
    Ok(Schema { number })
}

/// The three numbers of a version.
fn release(version: &str) -> Result<Vec<u32>, Error> {
    let numbers = version.split(['-', '+']).next().unwrap_or(version).split('.');
    numbers.map(|number| number.parse().map_err(|error| rows::corrupt("version", error))).collect()
}

async fn make_partitions(connection: &mut PgConnection) -> Result<(), Error> {
    let cells = [MONTHS_AHEAD.into()];
    all::<(i64,)>(connection, own::MAKE_PARTITIONS, arguments(&cells)).await?;
    Ok(())
}

impl PostgresStore {
    /// Makes the months ahead, and drops those that are past their retention; answers about how many rows went.
    pub(super) async fn turn_partitions(&self, before: i64) -> Result<u64, Error> {
        all::<(i64,)>(&self.writer, own::MAKE_PARTITIONS, arguments(&[MONTHS_AHEAD.into()])).await?;
        let dropped: Vec<(i64,)> = all(&self.writer, own::DROP_PARTITIONS, arguments(&[before.into()])).await?;
        rows::unsigned("count of rows", dropped.first().map_or(0, |(rows,)| *rows))
    }

    /// Has tables that have grown analysed, one after the other.
    pub(super) async fn analyse_grown(&self) -> Result<(), Error> {
        for _ in 0..ANALYSED_AT_ONCE {
            let found: Vec<(bool,)> = all(&self.writer, own::ANALYSE_GROWN, arguments(&[])).await?;
            if found != [(true,)] {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let of = |version| release(version).expect("a version");
        assert!(of("0.10.0") > of("0.9.12"));
        assert_eq!(of("1.2.3-rc.1+a"), of("1.2.3"));
    }
}
