//! Small writes beside the batches: epochs, subscriptions, acknowledgements, and the removal of what is old.

use super::changes::Rows;
use super::{SqliteStore, reads, rows, statements};
use crate::domain::id::{ConnectorId, DeskKey};
use crate::domain::time::Time;
use crate::store::{Error, Subscription};

pub(super) async fn next_epoch(store: &SqliteStore, desk: &DeskKey) -> Result<u64, Error> {
    let mut transaction = store.begin().await?;
    let found: Option<(i64,)> = sqlx::query_as(statements::NEXT_EPOCH)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let (epoch,) = found.ok_or_else(|| rows::corrupt("desk head", format!("desk {} has none", desk.desk)))?;
    rows::unsigned("epoch", epoch)
}

pub(super) async fn subscribe(
    store: &SqliteStore,
    desk: &DeskKey,
    connector: &ConnectorId,
) -> Result<Subscription, Error> {
    let mut transaction = store.begin().await?;
    let (generation, acked): (i64, i64) = sqlx::query_as(statements::SUBSCRIBE)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(connector.as_str())
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Subscription { generation: rows::unsigned("generation", generation)?, acked: rows::unsigned("acked", acked)? })
}

pub(super) async fn subscription(
    store: &SqliteStore,
    desk: &DeskKey,
    connector: &ConnectorId,
) -> Result<Subscription, Error> {
    let found: Option<(i64, i64)> = sqlx::query_as(statements::SUBSCRIPTION)
        .bind(desk.tenant.as_str())
        .bind(desk.desk.as_str())
        .bind(connector.as_str())
        .fetch_optional(&store.readers)
        .await?;
    let (generation, acked) = found.unwrap_or_default();
    Ok(Subscription { generation: rows::unsigned("generation", generation)?, acked: rows::unsigned("acked", acked)? })
}

pub(super) async fn save_acked(store: &SqliteStore, acks: &[(DeskKey, ConnectorId, u64)]) -> Result<(), Error> {
    let mut list = Rows::default();
    for (desk, connector, acked) in acks {
        list.push(&(&desk.tenant, &desk.desk, connector, 0, acked))?;
    }
    let Some((list, _)) = list.into_parts()? else { return Ok(()) };
    let mut transaction = store.begin().await?;
    sqlx::query(statements::PUT_ACKS).bind(list).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// The heads of the logs stay: a number is never given twice, whatever became of its entry.
pub(super) async fn retire(
    store: &SqliteStore,
    dedup_before: Time,
    events_before: Time,
    limit: u32,
) -> Result<u64, Error> {
    let desks = reads::all_desks(&store.readers).await?;
    let mut transaction = store.begin().await?;
    let answers = sqlx::query(statements::RETIRE_ANSWERS)
        .bind(dedup_before.micros())
        .bind(i64::from(limit))
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    let mut events = 0;
    for desk in desks {
        let left = u64::from(limit) - events;
        if left == 0 {
            break;
        }
        events += sqlx::query(statements::RETIRE_EVENTS)
            .bind(desk.tenant.as_str())
            .bind(desk.desk.as_str())
            .bind(events_before.micros())
            .bind(rows::signed(left))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
    }
    transaction.commit().await?;
    Ok(answers + events)
}
