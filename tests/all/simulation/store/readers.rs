//! Who reads a connector's decisions: changed by the rules themselves, where the databases have statements.

use std::collections::{BTreeMap, BTreeSet};

use handoff::domain::id::{ConnectorId, DeskKey};
use handoff::domain::readers::{ReaderChange, Readers};
use handoff::domain::time::Time;
use handoff::store::{Acked, Lease, Leases};

use super::{Kept, Slip, Tables};

impl Tables {
    pub fn change_readers(&mut self, desk: &DeskKey, connector: &ConnectorId, change: &ReaderChange) -> Readers {
        let kept = self.desks.entry(desk.clone()).or_insert_with(|| Kept::empty(desk));
        let readers = kept.readers.entry(connector.clone()).or_default();
        readers.apply(change);
        readers.clone()
    }

    pub fn save_acked(&mut self, acks: Vec<Acked>, slip: Slip) {
        for Acked { desk, connector, generation, seq } in acks {
            let readers = self.desks.get_mut(&desk).and_then(|kept| kept.readers.get_mut(&connector));
            let Some(readers) = readers else { continue };
            if slip.acks_unfenced {
                readers.buckets.values_mut().for_each(|held| held.acked = held.acked.max(seq));
            } else {
                readers.ack(generation, seq);
            }
        }
    }

    pub fn renew_leases(&mut self, leases: Vec<Lease>) -> Leases {
        let mut renewed = Leases::new();
        for Lease { desk, connector, instance, opening, until } in leases {
            let readers = self.desks.get_mut(&desk).and_then(|kept| kept.readers.get_mut(&connector));
            let row = readers.and_then(|readers| readers.instances.get_mut(&instance));
            if let Some(row) = row.filter(|row| row.opening == opening) {
                row.lease_until = until;
                renewed.insert((desk, connector, instance), row.generation);
            }
        }
        renewed
    }

    pub fn attended(&self, after: Time) -> BTreeMap<(DeskKey, ConnectorId), Time> {
        let mut attended = BTreeMap::new();
        for (desk, kept) in &self.desks {
            for (connector, readers) in &kept.readers {
                let until = readers.instances.values().map(|row| row.lease_until).max();
                let until = until.filter(|until| *until > after);
                attended.extend(until.map(|until| ((desk.clone(), connector.clone()), until)));
            }
        }
        attended
    }

    pub fn lapsed(&self, among: &BTreeSet<(DeskKey, ConnectorId)>, before: Time) -> Vec<(DeskKey, ConnectorId)> {
        let gone = |(desk, connector): &&(DeskKey, ConnectorId)| {
            let readers = self.desks.get(desk).and_then(|kept| kept.readers.get(connector));
            readers.is_some_and(|readers| readers.instances.values().any(|row| row.lease_until <= before))
        };
        among.iter().filter(gone).cloned().collect()
    }
}
