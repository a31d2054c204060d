//! What the machine's disk allows: the yardstick of `handoff bench`.

use std::time::Duration;

use super::{SqliteStore, statements};
use crate::store::Error;

/// About what a ticket's words take.
const BODY: [u8; 200] = [b'x'; 200];

impl SqliteStore {
    /// Commits one row at a time for so long, durably as everything is, and answers how many. Rows of a tenant that nobody has.
    ///
    /// # Errors
    /// When a row is not committed.
    pub async fn single_row_commits(&self, span: Duration) -> Result<u64, Error> {
        let (body, started) = (String::from_utf8_lossy(&BODY), self.clock.uptime());
        let mut commits = 0_u64;
        while self.clock.uptime() - started < span {
            sqlx::query(statements::YARDSTICK)
                .bind(format!("{commits:016x}"))
                .bind(&*body)
                .execute(&self.writer)
                .await?;
            commits += 1;
        }
        Ok(commits)
    }
}
