//! Migrations: numbered texts that are carried out once each, in order. Forward only.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, name and text.
pub(super) type Step = (i64, &'static str, &'static str);

/// Those of a newer version that are there already are left alone, so that two versions can run side by side, and going back to
/// this one remains possible.
pub(super) fn of(steps: &[Step]) -> Migrator {
    let migration = |(version, name, text): &Step| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, SqlStr::from_static(text), false)
    };
    let mut migrations = Migrator::with_migrations(steps.iter().map(migration).collect());
    migrations.set_ignore_missing(true);
    migrations
}
