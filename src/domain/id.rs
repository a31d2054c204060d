//! Names and numbers: what identifies a desk, an agent, a ticket, a leg, an offer.
//!
//! Every name that a user may choose is a lower-case segment of a resource name (AIP-122). Ticket ids are 128 bits: minted
//! at the edge (UUIDv7) or, when the caller chose the name, derived from it, so that a name leads to its row, and a cancel to
//! its tombstone, without a look-up. Leg, offer and decision ids are derived, so that `decide` needs no randomness.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 63 characters of a-z, 0-9, '-', '_' or '.', and begin with a letter or a digit")]
pub struct BadName;

fn check_segment(text: &str) -> Result<(), BadName> {
    let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    let all_allowed = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.'));
    if starts_well && all_allowed && text.len() <= 63 { Ok(()) } else { Err(BadName) }
}

macro_rules! segment {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text against the rules of a resource-name segment.
            pub fn parse(text: &str) -> Result<$name, BadName> {
                check_segment(text).map(|()| $name(Arc::from(text)))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

segment!(
    /// An organisation: the security boundary. Taken from the caller's credential, never from a request.
    TenantId
);
segment!(
    /// A desk of a tenant, as in `desks/{desk}`.
    DeskId
);
segment!(
    /// A connector of a desk, as in `desks/{d}/connectors/{connector}`.
    ConnectorId
);
segment!(
    /// An agent of a desk, as in `desks/{d}/agents/{agent}`.
    AgentId
);
segment!(
    /// A queue of the desk's policy.
    QueueId
);
segment!(
    /// What a ticket is called: `desks/{d}/tickets/{ticket}`. Its row is found by [`TicketId::of_name`].
    TicketName
);

impl TenantId {
    /// The one tenant of an installation without credentials.
    pub fn embedded() -> TenantId {
        TenantId(Arc::from("default"))
    }
}

/// A desk together with the tenant that owns it: the unit of ordering, and the key of everything in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeskKey {
    pub tenant: TenantId,
    pub desk: DeskId,
}

/// The 128-bit key of a ticket's row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketId(pub Uuid);

/// As the bytes compare, but as one number: every search among rows compares these.
impl Ord for TicketId {
    fn cmp(&self, other: &TicketId) -> Ordering {
        self.0.as_u128().cmp(&other.0.as_u128())
    }
}

impl PartialOrd for TicketId {
    fn partial_cmp(&self, other: &TicketId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TicketId {
    /// The id that a ticket of this name has: the UUID that the name spells, else a digest of the name. Digests are UUIDs of
    /// version 8, and a name that spells one of those is digested like any other: no name can be chosen to meet another's.
    pub fn of_name(name: &TicketName) -> TicketId {
        if let Ok(uuid) = Uuid::try_parse(name.as_str())
            && uuid.as_hyphenated().to_string() == name.as_str()
            && uuid.get_version() != Some(uuid::Version::Custom)
        {
            return TicketId(uuid);
        }
        let digest = Sha256::digest(name.as_str().as_bytes());
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        TicketId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The name of a ticket whose caller chose none.
    pub fn default_name(self) -> TicketName {
        TicketName(Arc::from(self.0.as_hyphenated().to_string().as_str()))
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_simple())
    }
}

impl fmt::Debug for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A leg of a ticket: the ticket's id and the leg's number, from 1, in order of creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegId {
    pub ticket: TicketId,
    pub leg: u8,
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ticket, self.leg)
    }
}

impl fmt::Debug for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An offer: its leg, the version that the leg had when it was offered, and its place among the parallel offers, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferId {
    pub leg: LegId,
    pub leg_ver: u32,
    pub nth: u8,
}

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.leg, self.leg_ver, self.nth)
    }
}

impl fmt::Debug for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OfferId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<OfferId, BadName> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(BadName);
        let ticket = TicketId(Uuid::try_parse(next()?).map_err(|_| BadName)?);
        let leg = next()?.parse().map_err(|_| BadName)?;
        let leg_ver = next()?.parse().map_err(|_| BadName)?;
        let nth = next()?.parse().map_err(|_| BadName)?;
        let id = OfferId { leg: LegId { ticket, leg }, leg_ver, nth };
        // One spelling for one offer: "01" or an upper-case id is no name of ours.
        if id.to_string() == text { Ok(id) } else { Err(BadName) }
    }
}

impl Serialize for OfferId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OfferId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<OfferId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A lane's number: dense per desk, not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneNo(pub u32);

/// A group's number: dense per desk, not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupNo(pub u32);

/// An agent's number: dense per desk, given at creation, not reused. The last tie-breaker of every choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentNo(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_name_has_one_spelling() {
        let ticket = TicketId::of_name(&TicketName::parse("call-17").expect("valid"));
        let id = OfferId { leg: LegId { ticket, leg: 2 }, leg_ver: 7, nth: 0 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().replace(".7.", ".07.").parse::<OfferId>(), Err(BadName));
        assert_eq!("a.b.c.d".parse::<OfferId>(), Err(BadName));
    }

    #[test]
    fn a_name_that_spells_a_uuid_is_that_uuid_and_any_other_name_is_digested() {
        let minted = TicketId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
        assert_eq!(TicketId::of_name(&minted.default_name()), minted);
        let chosen = TicketName::parse("call-17").expect("valid");
        assert_eq!(TicketId::of_name(&chosen), TicketId::of_name(&chosen));
        assert_ne!(TicketId::of_name(&chosen), minted);
        let spelt = TicketId::of_name(&chosen).default_name();
        assert_ne!(TicketId::of_name(&spelt), TicketId::of_name(&chosen), "two names, two tickets");
    }

    #[test]
    fn a_segment_refuses_what_a_url_or_a_log_could_misread() {
        for bad in ["", "-a", "A", "a/b", "a b", "ä", "a\0", &"a".repeat(64)] {
            assert_eq!(DeskId::parse(bad).map(|_| ()), Err(BadName), "{bad:?}");
        }
    }
}
