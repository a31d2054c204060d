//! Small reads and writes beside the batches, alike on both databases: epochs, subscriptions, acknowledgements, old answers.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use super::{rows, statements};
use crate::domain::id::{ConnectorId, DeskKey};
use crate::domain::time::Time;
use crate::store::{Error, Subscription};

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

fn seat((tenant, desk, connector): (String, String, String)) -> Result<(DeskKey, ConnectorId), Error> {
    Ok((rows::desk_key(&tenant, &desk)?, rows::connector_id(&connector)?))
}

pub(super) async fn renew_leases(
    db: &mut impl Session,
    seats: &[(DeskKey, ConnectorId, u64)],
    until: Time,
) -> Result<BTreeSet<(DeskKey, ConnectorId)>, Error> {
    if seats.is_empty() {
        return Ok(BTreeSet::new());
    }
    let row = |(desk, connector, generation): &(DeskKey, ConnectorId, u64)| {
        (desk.tenant.clone(), desk.desk.clone(), connector.clone(), *generation)
    };
    let list = rows::to_json("seats", &seats.iter().map(row).collect::<Vec<_>>())?;
    let cells = [list.as_str().into(), until.micros().into()];
    let renewed: Vec<(String, String, String)> = db.all(&statements::RENEW_LEASES, &cells).await?;
    renewed.into_iter().map(seat).collect()
}

pub(super) async fn attended(
    db: &mut impl Session,
    after: Time,
) -> Result<BTreeMap<(DeskKey, ConnectorId), Time>, Error> {
    let found: Vec<(String, String, String, i64)> = db.all(&statements::ATTENDED, &[after.micros().into()]).await?;
    let read = |(tenant, desk, connector, until)| Ok((seat((tenant, desk, connector))?, Time(until)));
    found.into_iter().map(read).collect()
}

fn read((generation, acked): (i64, i64)) -> Result<Subscription, Error> {
    Ok(Subscription { generation: rows::unsigned("generation", generation)?, acked: rows::unsigned("acked", acked)? })
}

pub(super) async fn subscribe(
    db: &mut impl Session,
    desk: &DeskKey,
    connector: &ConnectorId,
) -> Result<Subscription, Error> {
    let cells = [desk.tenant.as_str().into(), desk.desk.as_str().into(), connector.as_str().into()];
    let found = db.first(&statements::SUBSCRIBE, &cells).await?;
    read(found.ok_or_else(|| rows::corrupt("subscription", "it was not written"))?)
}

pub(super) async fn subscription(
    db: &mut impl Session,
    desk: &DeskKey,
    connector: &ConnectorId,
) -> Result<Subscription, Error> {
    let cells = [desk.tenant.as_str().into(), desk.desk.as_str().into(), connector.as_str().into()];
    read(db.first(&statements::SUBSCRIPTION, &cells).await?.unwrap_or_default())
}

pub(super) async fn save_acked(db: &mut impl Session, acks: &[(DeskKey, ConnectorId, u64)]) -> Result<(), Error> {
    if acks.is_empty() {
        return Ok(());
    }
    let row = |(desk, connector, acked): &(DeskKey, ConnectorId, u64)| {
        (desk.tenant.clone(), desk.desk.clone(), connector.clone(), 0, *acked)
    };
    let list = rows::to_json("acknowledgements", &acks.iter().map(row).collect::<Vec<_>>())?;
    db.run(&statements::PUT_ACKS, &[list.as_str().into()]).await?;
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
