//! Small reads and writes beside the batches, alike on both databases: epochs, old answers, old events.

use super::session::Session;
use super::{rows, statements};
use crate::domain::id::DeskKey;
use crate::domain::time::Time;
use crate::store::Error;

pub(super) async fn next_epoch(
    db: &mut impl Session,
    desk: &DeskKey,
    known: u64,
    now: Time,
    until: Time,
) -> Result<Option<u64>, Error> {
    let (tenant, key) = (desk.tenant.as_str(), desk.desk.as_str());
    let cells = [tenant.into(), key.into(), rows::signed(known).into(), now.micros().into(), until.micros().into()];
    let found: Option<(i64,)> = db.first(&statements::NEXT_EPOCH, &cells).await?;
    found.map(|(epoch,)| rows::unsigned("epoch", epoch)).transpose()
}

pub(super) async fn hold_rebuild(db: &mut impl Session, desk: &DeskKey, epoch: u64, until: Time) -> Result<(), Error> {
    let (tenant, key) = (desk.tenant.as_str(), desk.desk.as_str());
    let cells = [tenant.into(), key.into(), rows::signed(epoch).into(), until.micros().into()];
    db.run(&statements::HOLD_REBUILD, &cells).await?;
    Ok(())
}

pub(super) async fn retire_answers(db: &mut impl Session, before: Time, limit: u32) -> Result<u64, Error> {
    db.run(&statements::RETIRE_ANSWERS, &[before.micros().into(), limit.into()]).await
}

/// The oldest entries of the desks' logs, up to the first of each that is to stay. The heads stay: a number is never given
/// twice, whatever became of its entry.
pub(super) async fn retire_events(
    db: &mut impl Session,
    desks: &[DeskKey],
    before: Time,
    limit: u32,
) -> Result<u64, Error> {
    let mut retired = 0;
    for desk in desks {
        let left = u64::from(limit).saturating_sub(retired);
        if left == 0 {
            break;
        }
        let (tenant, desk) = (desk.tenant.as_str(), desk.desk.as_str());
        let cells = [tenant.into(), desk.into(), before.micros().into(), rows::signed(left).into()];
        retired += db.run(&statements::RETIRE_EVENTS, &cells).await?;
    }
    Ok(retired)
}
