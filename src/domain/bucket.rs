//! Buckets: the parts into which a connector's tickets are cut, so that several of its processes can share them, and what one
//! reader has of them.
//!
//! A ticket is in the bucket of the process that created it, where its decisions follow that process, else in one of sixteen by
//! the last digit of its id. To a connector that did not create it a ticket is always in one of the sixteen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::event::Entry;
use super::id::{ConnectorId, TicketId};

/// Buckets that belong to no process in particular.
pub const SHARES: u8 = 16;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// Below [`SHARES`].
    Share(u8),
    /// Tickets of processes that never subscribed under their name, or have been away for long.
    Rest,
    /// Tickets of this process.
    Named(Arc<str>),
}

impl Bucket {
    /// The one that a decision is in for this connector (`None`: a monitor), where every process has a bucket of its own. `None`:
    /// it is no ticket's.
    pub fn of(reader: Option<&ConnectorId>, entry: &Entry) -> Option<Bucket> {
        let (ticket, route) = (entry.event.ticket?, entry.route.as_ref()?);
        let own = route.instance.as_ref().filter(|_| reader == Some(&route.connector));
        Some(own.map_or_else(|| Bucket::of_id(ticket), |name| Bucket::Named(name.clone())))
    }

    /// The one by the ticket's id.
    pub fn of_id(ticket: TicketId) -> Bucket {
        let digit = ticket.0.as_bytes()[15] % SHARES;
        Bucket::Share(digit)
    }

    /// The word for it in the store: a hexadecimal digit, `*`, or `=` and the name.
    pub fn parse(word: &str) -> Option<Bucket> {
        if let Some(name) = word.strip_prefix('=') {
            return Some(Bucket::Named(Arc::from(name)));
        }
        match word {
            "*" => Some(Bucket::Rest),
            digit if digit.len() == 1 => u8::from_str_radix(digit, 16).ok().map(Bucket::Share),
            _ => None,
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bucket::Share(digit) => write!(f, "{digit:x}"),
            Bucket::Rest => f.write_str("*"),
            Bucket::Named(name) => write!(f, "={name}"),
        }
    }
}

/// What one reader has of a connector's decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// The buckets that it has: of each, what comes after this entry.
    pub floors: BTreeMap<Bucket, u64>,
    /// Processes with a bucket of their own, whoever has it; the others' tickets are in the rest.
    pub named: BTreeSet<Arc<str>>,
    /// Tickets that are read apart from their bucket: after this entry, or not at all.
    pub aside: BTreeMap<TicketId, Option<u64>>,
}

impl Shares {
    /// Whether a reader for this connector (`None`: a monitor) is sent the decision.
    pub fn hold(&self, reader: Option<&ConnectorId>, entry: &Entry) -> bool {
        let Some(bucket) = Bucket::of(reader, entry) else { return false };
        if let Some(aside) = entry.event.ticket.and_then(|ticket| self.aside.get(&ticket)) {
            return aside.is_some_and(|after| entry.seq > after);
        }
        let bucket = match bucket {
            Bucket::Named(name) if !self.named.contains(&name) => Bucket::Rest,
            bucket => bucket,
        };
        self.floors.get(&bucket).is_some_and(|after| entry.seq > *after)
    }

    /// Where reading begins, if it has anything.
    pub fn first(&self) -> Option<u64> {
        self.floors.values().chain(self.aside.values().flatten()).min().copied()
    }

    /// Whether this is all of the connector's decisions after one entry.
    pub fn is_whole(&self) -> bool {
        let mut floors = self.floors.values();
        let first = floors.next();
        let shares = (0..SHARES).all(|digit| self.floors.contains_key(&Bucket::Share(digit)));
        let named = self.named.iter().all(|name| self.floors.contains_key(&Bucket::Named(name.clone())));
        let even = floors.all(|floor| Some(floor) == first);
        self.aside.is_empty() && shares && named && even && self.floors.contains_key(&Bucket::Rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_has_a_word_and_every_word_its_bucket() {
        let named = ["host-1", "*", "=", "7", ""].map(|name| Bucket::Named(Arc::from(name)));
        for bucket in (0..SHARES).map(Bucket::Share).chain([Bucket::Rest]).chain(named) {
            assert_eq!(Bucket::parse(&bucket.to_string()), Some(bucket));
        }
        assert_eq!(["", "10", "g"].map(Bucket::parse), [None, None, None]);
    }

    #[test]
    fn a_share_is_the_last_digit_of_the_ids_text() {
        for number in [0_u128, 0xf, 0x10, 0xabc] {
            let id = TicketId(uuid::Uuid::from_u128(number));
            let text = id.to_string();
            assert_eq!(Bucket::of_id(id).to_string(), text[text.len() - 1..]);
        }
    }
}
