//! What the database commits on this machine: the yardstick of `handoff bench`.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use super::session::run;
use super::{PostgresStore, open, statements as own};
use crate::clock::Clock;
use crate::store::Error;
use crate::store::session::Cell;

/// As much as the yardstick of the embedded store.
const BODY: [u8; 200] = [b'x'; 200];

impl PostgresStore {
    /// Has so many connections commit one row at a time for so long, durably as everything is, and answers how many were
    /// committed. They are rows of a tenant that nobody has, and are removed.
    ///
    /// # Errors
    /// When the database cannot be used, or a row is not committed.
    pub async fn single_row_commits(
        url: &str,
        connections: u32,
        span: Duration,
        clock: &Clock,
        name: impl Fn() -> Uuid + Sync,
    ) -> Result<u64, Error> {
        let pool = PgPoolOptions::new().max_connections(connections).connect_with(open::options(url)?).await?;
        let (started, body) = (clock.uptime(), String::from_utf8_lossy(&BODY));
        let commit = async || {
            let (mut connection, mut commits) = (pool.acquire().await?, 0_u64);
            while clock.uptime() - started < span {
                let key = name().to_string();
                let cells = [Cell::Text(Some(&key)), Cell::Text(Some(&body))];
                run(&mut *connection, own::YARDSTICK, super::session::arguments(&cells)).await?;
                commits += 1;
            }
            Ok::<u64, Error>(commits)
        };
        let all = futures_util::future::try_join_all((0..connections).map(|_| commit())).await?;
        run(&pool, own::FORGET_YARDSTICK, super::session::arguments(&[])).await?;
        pool.close().await;
        Ok(all.into_iter().sum())
    }
}
