//! Commands on the desk itself: settings, policy, connectors, interned tables.

use std::sync::Arc;

use super::draft::Draft;
use crate::domain::connector::Connector;
use crate::domain::desk::LaneKey;
use crate::domain::event::Body;
use crate::domain::id::{ConnectorId, GroupNo, LaneNo};
use crate::domain::requirement::Expertise;
use crate::routing::command::{Answer, Command, ConnectorPatch};
use crate::routing::lanes::{MAX_GROUPS, MAX_LANES};
use crate::routing::reject::{Kind, Reject};

pub(super) fn decide(draft: &mut Draft<'_>, command: &Command) -> Result<Answer, Reject> {
    match command {
        Command::CreateDesk { display_name, time_zone } => create(draft, display_name, time_zone),
        Command::UpdateDesk { display_name, time_zone, etag } => {
            update(draft, display_name.as_ref(), time_zone.as_ref(), *etag)
        }
        Command::UpdatePolicy { source, author, change_note, etag } => {
            let current = draft.scope()?.desk.policy_rev;
            check_etag(u64::from(current), *etag)?;
            let revision = current + 1;
            let (source, author, change_note) = (source.clone(), author.clone(), change_note.clone());
            draft.emit_desk(Body::PolicyUpdated { revision, source, author, change_note });
            Ok(Answer::Policy { revision })
        }
        Command::CreateConnector { connector } => create_connector(draft, connector),
        Command::UpdateConnector { connector, patch, etag } => update_connector(draft, connector, patch, *etag),
        Command::DeleteConnector { connector, etag } => {
            let row = draft.connector(connector)?;
            check_etag(row.ver, *etag)?;
            draft.emit_desk(Body::ConnectorDeleted { connector: connector.clone() });
            Ok(Answer::Connector { connector: connector.clone() })
        }
        Command::ConnectorPresence { connector, away } => {
            let row = draft.connector(connector)?;
            if row.away == *away {
                return Err(Reject::Stale);
            }
            let connector = connector.clone();
            draft.emit_desk(if *away {
                Body::ConnectorAway { connector: connector.clone() }
            } else {
                Body::ConnectorBack { connector: connector.clone() }
            });
            Ok(Answer::Connector { connector })
        }
        Command::Intern { lanes, groups } => intern(draft, lanes, groups),
        Command::Retire { lanes, groups } => retire(draft, lanes, groups),
        _ => unreachable!("only the desk's commands come here"),
    }
}

fn check_etag(found: u64, etag: Option<u64>) -> Result<(), Reject> {
    match etag {
        Some(etag) if etag != found => Err(Reject::EtagMismatch { found }),
        Some(_) | None => Ok(()),
    }
}

fn create(draft: &mut Draft<'_>, display_name: &Arc<str>, time_zone: &Arc<str>) -> Result<Answer, Reject> {
    let desk = draft.ws().key.desk.clone();
    if draft.ws().scope.is_some() {
        return Err(Reject::AlreadyExists { kind: Kind::Desk, name: desk.to_string() });
    }
    draft.emit_desk(Body::DeskCreated { desk, display_name: display_name.clone(), time_zone: time_zone.clone() });
    Ok(Answer::Desk)
}

fn update(
    draft: &mut Draft<'_>,
    display_name: Option<&Arc<str>>,
    time_zone: Option<&Arc<str>>,
    etag: Option<u64>,
) -> Result<Answer, Reject> {
    let desk = draft.scope()?.desk.clone();
    check_etag(desk.ver, etag)?;
    draft.emit_desk(Body::DeskUpdated {
        display_name: display_name.unwrap_or(&desk.display_name).clone(),
        time_zone: time_zone.unwrap_or(&desk.time_zone).clone(),
    });
    Ok(Answer::Desk)
}

fn create_connector(draft: &mut Draft<'_>, connector: &Connector) -> Result<Answer, Reject> {
    let id = connector.id.clone();
    let earlier = draft.scope()?.connectors.get(&id).cloned();
    if earlier.as_ref().is_some_and(|row| !row.deleted) {
        return Err(Reject::AlreadyExists { kind: Kind::Connector, name: id.to_string() });
    }
    let mut connector = connector.clone();
    connector.ver = earlier.map_or(1, |row| row.ver + 1);
    connector.create_time = draft.now();
    connector.update_time = draft.now();
    draft.emit_desk(Body::ConnectorCreated { connector: Box::new(connector) });
    Ok(Answer::Connector { connector: id })
}

fn update_connector(
    draft: &mut Draft<'_>,
    id: &ConnectorId,
    patch: &ConnectorPatch,
    etag: Option<u64>,
) -> Result<Answer, Reject> {
    let mut row = draft.connector(id)?.as_ref().clone();
    check_etag(row.ver, etag)?;
    let ConnectorPatch { display_name, channels, confirmation, affinity, kinds } = patch.clone();
    row.display_name = display_name.unwrap_or(row.display_name);
    row.channels = channels.unwrap_or(row.channels);
    row.confirmation = confirmation.unwrap_or(row.confirmation);
    row.affinity = affinity.unwrap_or(row.affinity);
    row.kinds = kinds.unwrap_or(row.kinds);
    row.ver += 1;
    row.update_time = draft.now();
    draft.emit_desk(Body::ConnectorUpdated { connector: Box::new(row) });
    Ok(Answer::Connector { connector: id.clone() })
}

fn intern(draft: &mut Draft<'_>, lanes: &[LaneKey], groups: &[Expertise]) -> Result<Answer, Reject> {
    for key in lanes {
        let desk = draft.scope()?.desk.clone();
        if desk.lanes.find(key).is_some() {
            continue;
        }
        if desk.lanes.len() >= MAX_LANES {
            return Err(Reject::LaneLimit { limit: "a desk has at most 4,096 live lanes" });
        }
        draft.emit_desk(Body::LaneAdded { lane: LaneNo(desk.next_lane), key: key.clone() });
    }
    for expertise in groups {
        let desk = draft.scope()?.desk.clone();
        if desk.groups.find(expertise).is_some() {
            continue;
        }
        if desk.groups.len() >= MAX_GROUPS {
            return Err(Reject::LaneLimit { limit: "a desk has at most 8,192 agent profiles" });
        }
        draft.emit_desk(Body::GroupAdded { group: GroupNo(desk.next_group), expertise: expertise.clone() });
    }
    Ok(Answer::Done)
}

fn retire(draft: &mut Draft<'_>, lanes: &[LaneNo], groups: &[GroupNo]) -> Result<Answer, Reject> {
    let desk = draft.scope()?.desk.clone();
    for lane in lanes.iter().filter(|lane| desk.lanes.get(**lane).is_some()) {
        draft.emit_desk(Body::LaneRetired { lane: *lane });
    }
    for group in groups.iter().filter(|group| desk.groups.get(**group).is_some()) {
        draft.emit_desk(Body::GroupRetired { group: *group });
    }
    Ok(Answer::Done)
}
