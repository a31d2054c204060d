//! Events of the desk itself: settings, connectors, interned tables, policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::connector::Connector;
use crate::domain::desk::Desk;
use crate::domain::event::{Body, Event};
use crate::domain::id::ConnectorId;
use crate::policy::{Policy, parse};
use crate::routing::lanes::Limits;
use crate::routing::workset::{Scope, WorkingSet};

pub(super) fn apply(ws: &mut WorkingSet<'_>, event: &Event) {
    if let Body::DeskCreated { desk, display_name, time_zone } = &event.body {
        ws.scope = Some(Scope {
            desk: Arc::new(Desk {
                id: desk.clone(),
                ver: 1,
                display_name: display_name.clone(),
                time_zone: time_zone.clone(),
                create_time: event.at,
                update_time: event.at,
                next_agent: 1,
                policy_rev: 0,
                next_lane: 1,
                next_group: 1,
                lanes: Arc::default(),
                groups: Arc::default(),
            }),
            connectors: Arc::default(),
            policies: Arc::new(BTreeMap::from([(0, Arc::new(Policy::built_in()))])),
            limits: Arc::default(),
        });
        return;
    }
    let scope = ws.scope.as_mut().expect("only a desk that exists has events");
    match &event.body {
        Body::DeskUpdated { display_name, time_zone } => {
            let desk = Arc::make_mut(&mut scope.desk);
            desk.ver += 1;
            desk.display_name = display_name.clone();
            desk.time_zone = time_zone.clone();
            desk.update_time = event.at;
        }
        Body::PolicyUpdated { revision, source, .. } => {
            let policy = parse::parse(source, *revision).expect("a policy is checked before it is stored").policy;
            Arc::make_mut(&mut scope.desk).policy_rev = *revision;
            Arc::make_mut(&mut scope.policies).insert(*revision, Arc::new(policy));
        }
        Body::AgentCreated { number, .. } => Arc::make_mut(&mut scope.desk).next_agent = number.0 + 1,
        Body::ConnectorCreated { connector } | Body::ConnectorUpdated { connector } => {
            Arc::make_mut(&mut scope.connectors).insert(connector.id.clone(), Arc::new(connector.as_ref().clone()));
        }
        Body::ConnectorDeleted { connector } => change_connector(scope, connector, |row| row.deleted = true),
        Body::ConnectorAway { connector } => change_connector(scope, connector, |row| row.away = true),
        Body::ConnectorBack { connector } => change_connector(scope, connector, |row| row.away = false),
        Body::LaneAdded { .. } | Body::LaneRetired { .. } | Body::GroupAdded { .. } | Body::GroupRetired { .. } => {
            intern(scope, &event.body);
        }
        // Everything else is a ticket's or an agent's.
        _ => {}
    }
}

fn change_connector(scope: &mut Scope, id: &ConnectorId, change: impl FnOnce(&mut Connector)) {
    let row = Arc::make_mut(&mut scope.connectors).get_mut(id).expect("only a connector that exists has events");
    let row = Arc::make_mut(row);
    row.ver += 1;
    change(row);
}

fn intern(scope: &mut Scope, body: &Body) {
    let desk = Arc::make_mut(&mut scope.desk);
    match body {
        Body::LaneAdded { lane, key } => {
            desk.next_lane = lane.0 + 1;
            Arc::make_mut(&mut desk.lanes).insert(*lane, Arc::new(key.clone()));
        }
        Body::LaneRetired { lane } => Arc::make_mut(&mut desk.lanes).remove(*lane),
        Body::GroupAdded { group, expertise } => {
            desk.next_group = group.0 + 1;
            Arc::make_mut(&mut desk.groups).insert(*group, Arc::new(expertise.clone()));
            scope.limits = Arc::new(Limits::of(&desk.groups));
        }
        Body::GroupRetired { group } => {
            Arc::make_mut(&mut desk.groups).remove(*group);
            scope.limits = Arc::new(Limits::of(&desk.groups));
        }
        _ => {}
    }
}
