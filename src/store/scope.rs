//! The scope of a desk: its settings, connectors, interned tables and policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::session::Session;
use super::{rows, statements};
use crate::domain::connector::Connector;
use crate::domain::desk::{Desk, Groups, LaneKey, Lanes};
use crate::domain::id::{ConnectorId, DeskKey, GroupNo, LaneNo};
use crate::domain::requirement::Expertise;
use crate::policy::{Policy, parse};
use crate::routing::lanes::Limits;
use crate::routing::workset::Scope;
use crate::store::Error;

/// Reads scopes from the database. Several statements: inside a transaction, so that they fit each other.
pub(super) async fn load(db: &mut impl Session, desks: &BTreeSet<DeskKey>) -> Result<BTreeMap<DeskKey, Scope>, Error> {
    let keys = desk_list(desks)?;
    let found: Vec<(String, String, String)> = db.all(&statements::LOAD_DESKS, &[keys.as_str().into()]).await?;
    let mut scopes = BTreeMap::new();
    for (tenant, desk, body) in found {
        let desk_row: Desk = rows::from_json("desk", &body)?;
        let scope = Scope {
            desk: Arc::new(desk_row),
            connectors: Arc::default(),
            policies: Arc::new(BTreeMap::from([(0, Arc::new(Policy::built_in()))])),
            limits: Arc::default(),
        };
        scopes.insert(rows::desk_key(&tenant, &desk)?, scope);
    }
    if scopes.is_empty() {
        return Ok(scopes);
    }
    lanes(db, &keys, &mut scopes).await?;
    groups(db, &keys, &mut scopes).await?;
    connectors(db, &keys, &mut scopes).await?;
    policies(db, &mut scopes).await?;
    Ok(scopes)
}

pub(super) fn desk_list(desks: &BTreeSet<DeskKey>) -> Result<String, Error> {
    let keys: Vec<_> = desks.iter().map(|key| (key.tenant.as_str(), key.desk.as_str())).collect();
    rows::to_json("desk keys", &keys)
}

type Numbered = (String, String, i64, String);

fn scope_of<'s>(scopes: &'s mut BTreeMap<DeskKey, Scope>, tenant: &str, desk: &str) -> Result<&'s mut Scope, Error> {
    let key = rows::desk_key(tenant, desk)?;
    scopes.get_mut(&key).ok_or_else(|| rows::corrupt("desk", format!("rows of desk {desk}, which does not exist")))
}

async fn lanes(db: &mut impl Session, keys: &str, scopes: &mut BTreeMap<DeskKey, Scope>) -> Result<(), Error> {
    let found: Vec<Numbered> = db.all(&statements::LOAD_LANES, &[keys.into()]).await?;
    let mut tables: BTreeMap<DeskKey, Lanes> = BTreeMap::new();
    for (tenant, desk, number, body) in found {
        let lane: LaneKey = rows::from_json("lane", &body)?;
        let table = tables.entry(rows::desk_key(&tenant, &desk)?).or_default();
        table.insert(LaneNo(rows::unsigned("lane number", number)?), Arc::new(lane));
    }
    for (key, table) in tables {
        let scope = scope_of(scopes, key.tenant.as_str(), key.desk.as_str())?;
        Arc::make_mut(&mut scope.desk).lanes = Arc::new(table);
    }
    Ok(())
}

async fn groups(db: &mut impl Session, keys: &str, scopes: &mut BTreeMap<DeskKey, Scope>) -> Result<(), Error> {
    let found: Vec<Numbered> = db.all(&statements::LOAD_GROUPS, &[keys.into()]).await?;
    let mut tables: BTreeMap<DeskKey, Groups> = BTreeMap::new();
    for (tenant, desk, number, body) in found {
        let expertise: Expertise = rows::from_json("group", &body)?;
        let table = tables.entry(rows::desk_key(&tenant, &desk)?).or_default();
        table.insert(GroupNo(rows::unsigned("group number", number)?), Arc::new(expertise));
    }
    for (key, table) in tables {
        let scope = scope_of(scopes, key.tenant.as_str(), key.desk.as_str())?;
        scope.limits = Arc::new(Limits::of(&table));
        Arc::make_mut(&mut scope.desk).groups = Arc::new(table);
    }
    Ok(())
}

async fn connectors(db: &mut impl Session, keys: &str, scopes: &mut BTreeMap<DeskKey, Scope>) -> Result<(), Error> {
    let found: Vec<(String, String, String, String)> = db.all(&statements::LOAD_CONNECTORS, &[keys.into()]).await?;
    for (tenant, desk, name, body) in found {
        let connector: Connector = rows::from_json("connector", &body)?;
        let scope = scope_of(scopes, &tenant, &desk)?;
        let table: &mut BTreeMap<ConnectorId, Arc<Connector>> = Arc::make_mut(&mut scope.connectors);
        table.insert(rows::connector_id(&name)?, Arc::new(connector));
    }
    Ok(())
}

async fn policies(db: &mut impl Session, scopes: &mut BTreeMap<DeskKey, Scope>) -> Result<(), Error> {
    let wanted: Vec<_> = scopes
        .iter()
        .filter(|(_, scope)| scope.desk.policy_rev > 0)
        .map(|(key, scope)| (key.tenant.as_str(), key.desk.as_str(), scope.desk.policy_rev))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let wanted = rows::to_json("desk keys", &wanted)?;
    let found: Vec<Numbered> = db.all(&statements::LOAD_POLICIES, &[wanted.as_str().into()]).await?;
    for (tenant, desk, revision, source) in found {
        let revision = rows::unsigned("policy revision", revision)?;
        let policy = parse::parse(&source, revision).map_err(|findings| {
            let first = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
            rows::corrupt("policy", format!("revision {revision} of desk {desk}: {first}"))
        })?;
        let scope = scope_of(scopes, &tenant, &desk)?;
        Arc::make_mut(&mut scope.policies).insert(revision, Arc::new(policy.policy));
    }
    Ok(())
}
