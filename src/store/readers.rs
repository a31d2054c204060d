//! Who reads a connector's decisions, as rows: loaded under the lock of the connector's subscription, changed, and written where
//! they changed. Acknowledgements are written by a statement that finds their generation or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::session::{Cell, Session, Statement};
use super::{rows, statements};
use crate::domain::bucket::Bucket;
use crate::domain::id::{ConnectorId, DeskKey, TicketId};
use crate::domain::readers::{Aside, Held, Instance, ReaderChange, Readers};
use crate::domain::time::Time;
use crate::store::Error;

type BucketRow = (String, i64, Option<String>, i64, i64, i64, i64);
type AsideRow = (String, String, i64, i64, i64, String, i64);

/// Everything up to `seq` is acknowledged by the reader of this generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    pub desk: DeskKey,
    pub connector: ConnectorId,
    pub generation: u64,
    pub seq: u64,
}

/// Until when the stream that opened a reader under this generation is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub desk: DeskKey,
    pub connector: ConnectorId,
    pub instance: Arc<str>,
    pub opening: u64,
    pub until: Time,
}

/// Readers whose streams are still their newest, each with its generation of now.
pub type Leases = BTreeMap<(DeskKey, ConnectorId, Arc<str>), u64>;

fn key<'k>(desk: &'k DeskKey, connector: &'k ConnectorId) -> [Cell<'k>; 3] {
    [desk.tenant.as_str().into(), desk.desk.as_str().into(), connector.as_str().into()]
}

/// In one state, if the session is a transaction.
pub(super) async fn load(db: &mut impl Session, desk: &DeskKey, connector: &ConnectorId) -> Result<Readers, Error> {
    let found: Option<(i64, i64)> = db.first(&statements::SUBSCRIPTION, &key(desk, connector)).await?;
    match found {
        Some(found) => rest(db, desk, connector, found).await,
        None => Ok(Readers::default()),
    }
}

/// What belongs to a subscription of this generation and, before there were buckets, position.
async fn rest(
    db: &mut impl Session,
    desk: &DeskKey,
    connector: &ConnectorId,
    (generation, base): (i64, i64),
) -> Result<Readers, Error> {
    let of = key(desk, connector);
    let mut readers = Readers {
        generation: rows::unsigned("generation", generation)?,
        base: rows::unsigned("acked", base)?,
        ..Readers::default()
    };
    let instances: Vec<(String, i64, i64, i64, i64)> = db.all(&statements::LOAD_INSTANCES, &of).await?;
    for (name, opening, generation, since, lease_until) in instances {
        let (opening, generation) = (rows::unsigned("opening", opening)?, rows::unsigned("generation", generation)?);
        let row = Instance { opening, generation, since: Time(since), lease_until: Time(lease_until) };
        readers.instances.insert(Arc::from(name), row);
    }
    let buckets: Vec<BucketRow> = db.all(&statements::LOAD_BUCKETS, &of).await?;
    for (word, acked, instance, generation, gained, head, attempts) in buckets {
        let held = Held {
            acked: rows::unsigned("acked", acked)?,
            instance: instance.map(Arc::from),
            generation: rows::unsigned("generation", generation)?,
            gained: rows::unsigned("generation", gained)?,
            head: rows::unsigned("head", head)?,
            attempts: rows::unsigned("attempts", attempts)?,
        };
        readers.buckets.insert(bucket(&word)?, held);
    }
    let aside: Vec<AsideRow> = db.all(&statements::LOAD_QUARANTINE, &of).await?;
    for (ticket, word, generation, acked, released, reason, since) in aside {
        let row = Aside {
            bucket: bucket(&word)?,
            generation: rows::unsigned("generation", generation)?,
            after: rows::unsigned("acked", acked)?,
            released: released != 0,
            reason: Arc::from(reason),
            since: Time(since),
        };
        readers.aside.insert(rows::ticket_id(&ticket)?, row);
    }
    Ok(readers)
}

fn bucket(word: &str) -> Result<Bucket, Error> {
    Bucket::parse(word).ok_or_else(|| rows::corrupt("bucket", format!("there is no bucket {word}")))
}

/// Inside a transaction, which is the caller's to commit.
pub(super) async fn change(
    db: &mut impl Session,
    desk: &DeskKey,
    connector: &ConnectorId,
    change: &ReaderChange,
) -> Result<Readers, Error> {
    let found: Option<(i64, i64)> = db.first(&statements::LOCK_READERS, &key(desk, connector)).await?;
    let found = found.ok_or_else(|| rows::corrupt("subscription", "it was not written"))?;
    let before = rest(db, desk, connector, found).await?;
    let mut after = before.clone();
    after.apply(change);
    if after != before {
        write(db, desk, connector, &before, &after).await?;
    }
    Ok(after)
}

async fn write(
    db: &mut impl Session,
    desk: &DeskKey,
    connector: &ConnectorId,
    before: &Readers,
    after: &Readers,
) -> Result<(), Error> {
    let [tenant, desk, connector] = key(desk, connector);
    if before.generation != after.generation {
        let cells = [tenant, desk, connector, rows::signed(after.generation).into()];
        db.run(&statements::PUT_GENERATION, &cells).await?;
    }
    let instance = |name: &Arc<str>, row: &Instance| {
        (name.clone(), row.opening, row.generation, row.since.micros(), row.lease_until.micros())
    };
    let held = |bucket: &Bucket, held: &Held| {
        let instance = held.instance.clone();
        (bucket.to_string(), held.acked, instance, held.generation, held.gained, held.head, held.attempts)
    };
    let aside = |ticket: &TicketId, row: &Aside| {
        let Aside { bucket, generation, after, released, reason, since } = row;
        (
            ticket.to_string(),
            bucket.to_string(),
            *generation,
            *after,
            i64::from(*released),
            reason.clone(),
            since.micros(),
        )
    };
    let lists = [
        (&statements::DELETE_INSTANCES, gone(&before.instances, &after.instances, |name| name.to_string())?),
        (&statements::PUT_INSTANCES, news(&before.instances, &after.instances, instance)?),
        (&statements::DELETE_BUCKETS, gone(&before.buckets, &after.buckets, Bucket::to_string)?),
        (&statements::PUT_BUCKETS, news(&before.buckets, &after.buckets, held)?),
        (&statements::DELETE_QUARANTINE, gone(&before.aside, &after.aside, TicketId::to_string)?),
        (&statements::PUT_QUARANTINE, news(&before.aside, &after.aside, aside)?),
    ];
    for (statement, list) in lists {
        let statement: &Statement = statement;
        if let Some(list) = list {
            db.run(statement, &[tenant, desk, connector, list.as_str().into()]).await?;
        }
    }
    Ok(())
}

/// The keys that are no more; `None`: none.
fn gone<K: Ord, V>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    word: impl Fn(&K) -> String,
) -> Result<Option<String>, Error> {
    let keys: Vec<String> = before.keys().filter(|key| !after.contains_key(key)).map(word).collect();
    (!keys.is_empty()).then(|| rows::to_json("keys", &keys)).transpose()
}

/// The rows that came or changed; `None`: none.
fn news<K: Ord, V: PartialEq, R: Serialize>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    row: impl Fn(&K, &V) -> R,
) -> Result<Option<String>, Error> {
    let changed = after.iter().filter(|(key, value)| before.get(key) != Some(value));
    let list: Vec<R> = changed.map(|(key, value)| row(key, value)).collect();
    (!list.is_empty()).then(|| rows::to_json("readers", &list)).transpose()
}

/// A position moves the buckets that bear its generation, and the tickets read beside them, and never back.
pub(super) async fn save_acked(db: &mut impl Session, acks: &[Acked]) -> Result<(), Error> {
    if acks.is_empty() {
        return Ok(());
    }
    // Of one generation the highest counts, and no statement meets a row twice.
    let mut highest = BTreeMap::new();
    for ack in acks {
        let seq = highest.entry((&ack.desk, &ack.connector, ack.generation)).or_insert(ack.seq);
        *seq = ack.seq.max(*seq);
    }
    let row = |((desk, connector, generation), seq): ((&DeskKey, &ConnectorId, u64), u64)| {
        (desk.tenant.clone(), desk.desk.clone(), connector.clone(), generation, seq)
    };
    let list = rows::to_json("acknowledgements", &highest.into_iter().map(row).collect::<Vec<_>>())?;
    db.run(&statements::PUT_ACKS, &[list.as_str().into()]).await?;
    db.run(&statements::PUT_ACKS_ASIDE, &[list.as_str().into()]).await?;
    Ok(())
}

pub(super) async fn renew(db: &mut impl Session, leases: &[Lease]) -> Result<Leases, Error> {
    if leases.is_empty() {
        return Ok(Leases::new());
    }
    let row = |lease: &Lease| {
        let Lease { desk, connector, instance, opening, until } = lease;
        let (tenant, desk) = (desk.tenant.clone(), desk.desk.clone());
        (tenant, desk, connector.clone(), instance.clone(), *opening, until.micros())
    };
    let list = rows::to_json("leases", &leases.iter().map(row).collect::<Vec<_>>())?;
    let found: Vec<(String, String, String, String, i64)> =
        db.all(&statements::RENEW_LEASES, &[list.as_str().into()]).await?;
    let read = |(tenant, desk, connector, instance, generation): (String, String, String, String, i64)| {
        let (desk, connector) = connector_key((tenant, desk, connector))?;
        Ok(((desk, connector, Arc::from(instance)), rows::unsigned("generation", generation)?))
    };
    found.into_iter().map(read).collect()
}

fn connector_key((tenant, desk, connector): (String, String, String)) -> Result<(DeskKey, ConnectorId), Error> {
    Ok((rows::desk_key(&tenant, &desk)?, rows::connector_id(&connector)?))
}

pub(super) async fn attended(
    db: &mut impl Session,
    after: Time,
) -> Result<BTreeMap<(DeskKey, ConnectorId), Time>, Error> {
    let found: Vec<(String, String, String, i64)> = db.all(&statements::ATTENDED, &[after.micros().into()]).await?;
    let read = |(tenant, desk, connector, until)| Ok((connector_key((tenant, desk, connector))?, Time(until)));
    found.into_iter().map(read).collect()
}

pub(super) async fn lapsed(
    db: &mut impl Session,
    among: &BTreeSet<(DeskKey, ConnectorId)>,
    before: Time,
) -> Result<Vec<(DeskKey, ConnectorId)>, Error> {
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let row = |(desk, connector): &(DeskKey, ConnectorId)| (desk.tenant.clone(), desk.desk.clone(), connector.clone());
    let list = rows::to_json("connectors", &among.iter().map(row).collect::<Vec<_>>())?;
    let found = db.all(&statements::LAPSED, &[list.as_str().into(), before.micros().into()]).await?;
    found.into_iter().map(connector_key).collect()
}
