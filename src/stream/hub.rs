//! The hub: wakes readers of a desk's log, keeps its recent entries in memory for them, and knows who reads.
//!
//! A reader holds only a cursor. What lies further back than the ring is read from the store, so a reader that never
//! acknowledges costs nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::instances::Instances;
use super::seats::{Seat, Seats};
use crate::domain::event::{Body, SessionEnd};
use crate::domain::id::{AgentId, DeskKey};
use crate::domain::log::{LogRow, Selection};

/// Entries of a desk kept for its readers.
const RING: usize = 4_096;

/// What was read from memory.
#[derive(Debug)]
pub enum Recent {
    /// Matching rows after the cursor, in order, up to the limit; and the last number that was looked at.
    Rows { rows: Vec<Arc<LogRow>>, upto: u64 },
    /// Memory does not reach from the cursor to the head: read the store.
    Older,
}

/// The seat of one device's stream of an agent's session.
pub type DeviceSeat = Seat<(DeskKey, AgentId, Arc<str>)>;

#[derive(Debug, Default)]
pub struct Hub {
    /// Guards the map and the rings; held for a copy of a few pointers.
    desks: Mutex<BTreeMap<DeskKey, Desk>>,
    instances: Instances,
    devices: Seats<(DeskKey, AgentId, Arc<str>)>,
}

#[derive(Debug)]
struct Desk {
    head: watch::Sender<u64>,
    /// Every entry since `first`, decisions or not and without a hole, so that a reader can tell where it stands.
    ring: VecDeque<Arc<LogRow>>,
    /// How each agent's last session that is over came to its end.
    ends: BTreeMap<AgentId, (u64, SessionEnd)>,
}

impl Hub {
    /// Adds what a commit appended, in order, and wakes the desk's readers. Entries already known are ignored. A head above
    /// the last entry says that there are entries which only the store has.
    pub fn publish(&self, desk: &DeskKey, rows: impl IntoIterator<Item = Arc<LogRow>>, head: u64) {
        let mut desks = self.lock();
        let entry = desks.entry(desk.clone()).or_insert_with(|| Desk::new(head));
        for row in rows {
            entry.push(row);
        }
        entry.head.send_if_modified(|known| {
            let newer = head > *known;
            *known = head.max(*known);
            newer
        });
    }

    /// The head of a desk's log as far as this process knows, and its changes.
    pub fn head(&self, desk: &DeskKey) -> watch::Receiver<u64> {
        let mut desks = self.lock();
        desks.entry(desk.clone()).or_insert_with(|| Desk::new(0)).head.subscribe()
    }

    /// Decisions of the selection after `after` that are in memory.
    pub fn recent(&self, desk: &DeskKey, selection: &Selection, after: u64, limit: usize) -> Recent {
        self.scan(desk, after, limit, |row| selection.holds(&row.entry))
    }

    /// Entries after `after`, decisions or not, that `wanted` picks.
    pub fn scan(&self, desk: &DeskKey, after: u64, limit: usize, wanted: impl Fn(&LogRow) -> bool) -> Recent {
        let desks = self.lock();
        let Some(known) = desks.get(desk) else { return Recent::Older };
        let head = *known.head.borrow();
        if after >= head {
            return Recent::Rows { rows: Vec::new(), upto: after };
        }
        let (Some(first), Some(last)) = (known.ring.front(), known.ring.back()) else { return Recent::Older };
        if after + 1 < first.seq() || last.seq() <= after {
            return Recent::Older;
        }
        let skip = usize::try_from(after + 1 - first.seq()).unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        let mut upto = after;
        for row in known.ring.iter().skip(skip) {
            if rows.len() == limit {
                break;
            }
            upto = row.seq();
            if wanted(row) {
                rows.push(row.clone());
            }
        }
        Recent::Rows { rows, upto }
    }

    /// How a session of this agent ended; `None`: it did not, or that is too long ago to tell.
    pub fn session_end(&self, desk: &DeskKey, agent: &AgentId, epoch: u64) -> Option<SessionEnd> {
        let desks = self.lock();
        let (ended, reason) = desks.get(desk)?.ends.get(agent)?;
        (*ended == epoch).then_some(*reason)
    }

    /// Who reads connectors' decisions through this process.
    pub fn instances(&self) -> &Instances {
        &self.instances
    }

    /// A device begins to watch its session; an older stream of it is displaced.
    pub fn watch_session(&self, desk: &DeskKey, agent: &AgentId, device: Arc<str>) -> DeviceSeat {
        self.devices.take((desk.clone(), agent.clone(), device))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeskKey, Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn new(head: u64) -> Desk {
        Desk { head: watch::Sender::new(head), ring: VecDeque::new(), ends: BTreeMap::new() }
    }

    fn push(&mut self, row: Arc<LogRow>) {
        let next = self.ring.back().map(|last| last.seq() + 1);
        if next.is_some_and(|next| row.seq() < next) {
            return;
        }
        if next.is_some_and(|next| row.seq() > next) {
            // A commit whose outcome was unknown left a hole: what lies before it is the store's to tell.
            self.ring.clear();
        }
        if let Body::SessionEnded { agent, epoch, reason, .. } = &row.entry.event.body {
            self.ends.insert(agent.clone(), (*epoch, *reason));
        }
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Actor, Entry, Event, Route};
    use crate::domain::id::{ConnectorId, DeskId, TenantId};
    use crate::domain::requirement::Channel;
    use crate::domain::time::Time;

    fn desk() -> DeskKey {
        DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("support").expect("valid") }
    }

    fn connector(name: &str) -> ConnectorId {
        ConnectorId::parse(name).expect("valid")
    }

    fn row(seq: u64, channel: Channel, owner: &str, side: Option<&str>, body: Body) -> Arc<LogRow> {
        let route = Route { connector: connector(owner), channel, instance: None, side_connector: side.map(connector) };
        let event = Event { at: Time(1), actor: Actor::System, ticket: None, ticket_seq: 0, body };
        let entry = Arc::new(Entry { seq, event, route: Some(route) });
        Arc::new(LogRow { entry, ticket_name: None, content: None })
    }

    fn closed(seq: u64) -> Arc<LogRow> {
        row(seq, Channel::Chat, "web", None, Body::Closed {})
    }

    fn seqs(recent: Recent) -> Option<(Vec<u64>, u64)> {
        match recent {
            Recent::Rows { rows, upto } => Some((rows.iter().map(|row| row.seq()).collect(), upto)),
            Recent::Older => None,
        }
    }

    fn all(hub: &Hub, after: u64, limit: usize) -> Option<(Vec<u64>, u64)> {
        seqs(hub.recent(&desk(), &Selection::default(), after, limit))
    }

    #[test]
    fn a_reader_gets_what_is_in_memory_and_is_sent_to_the_store_for_what_is_not() {
        let hub = Hub::default();
        assert_eq!(all(&hub, 0, 9), None);
        hub.publish(&desk(), [], 10);
        assert_eq!(all(&hub, 10, 9), Some((vec![], 10)));
        assert_eq!(all(&hub, 9, 9), None);
        hub.publish(&desk(), (11..=14).map(closed), 14);
        assert_eq!(all(&hub, 9, 9), None);
        assert_eq!(all(&hub, 10, 9), Some((vec![11, 12, 13, 14], 14)));
        assert_eq!(all(&hub, 11, 2), Some((vec![12, 13], 13)));
    }

    #[test]
    fn a_head_that_memory_does_not_reach_and_a_hole_in_what_was_published_lead_to_the_store() {
        let hub = Hub::default();
        hub.publish(&desk(), (1..=3).map(closed), 5);
        assert_eq!(all(&hub, 3, 9), None);
        hub.publish(&desk(), (6..=7).map(closed), 7);
        assert_eq!(all(&hub, 2, 9), None);
        assert_eq!(all(&hub, 5, 9), Some((vec![6, 7], 7)));
    }

    #[test]
    fn memory_is_bounded() {
        let hub = Hub::default();
        let last = RING as u64 + 10;
        hub.publish(&desk(), (1..=last).map(closed), last);
        assert_eq!(all(&hub, 9, 1), None);
        assert_eq!(all(&hub, 10, 1), Some((vec![11], 11)));
    }

    #[test]
    fn a_connector_sees_its_own_tickets_and_its_agents_on_the_channels_it_serves() {
        let hub = Hub::default();
        let rows = [
            row(1, Channel::Chat, "web", None, Body::Closed {}),
            row(2, Channel::Chat, "other", None, Body::Closed {}),
            row(3, Channel::Phone, "other", Some("web"), Body::Closed {}),
            row(4, Channel::Email, "web", None, Body::Closed {}),
            row(5, Channel::Chat, "web", None, Body::PauseEnded { leg: 1 }),
            row(6, Channel::Chat, "web", None, Body::Resumed {}),
        ];
        hub.publish(&desk(), rows, 6);
        let see = |selection: Selection| seqs(hub.recent(&desk(), &selection, 0, 9)).map(|(rows, _)| rows);
        let own = Selection { connector: Some(connector("web")), ..Selection::default() };
        assert_eq!(see(own.clone()), Some(vec![1, 3, 4, 6]));
        let chat_and_phone = vec![Channel::Chat, Channel::Phone];
        assert_eq!(see(Selection { channels: chat_and_phone, ..own.clone() }), Some(vec![1, 3, 6]));
        assert_eq!(see(Selection { kinds: vec![Arc::from("closed")], ..own }), Some(vec![1, 3, 4]));
        assert_eq!(see(Selection { channels: vec![Channel::Chat], ..Selection::default() }), Some(vec![1, 2, 6]));
    }

    #[test]
    fn how_the_last_session_of_an_agent_ended_is_remembered_by_its_epoch() {
        let hub = Hub::default();
        let ann = AgentId::parse("ann").expect("valid");
        let ended = Body::SessionEnded { agent: ann.clone(), epoch: 4, reason: SessionEnd::Lost, lost_until: None };
        hub.publish(&desk(), [row(1, Channel::Chat, "web", None, ended)], 1);
        assert_eq!(hub.session_end(&desk(), &ann, 4), Some(SessionEnd::Lost));
        assert_eq!(hub.session_end(&desk(), &ann, 3), None);
    }
}
