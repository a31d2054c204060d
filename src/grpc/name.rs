//! Resource names: `desks/{desk}`, `desks/{desk}/tickets/{ticket}` and what lies below. Read here, and written here.

use std::fmt;

use crate::domain::id::{
    AgentId, BadName, ConnectorId, DeskId, DeskKey, LegId, OfferId, TenantId, TicketId, TicketName,
};

/// A kind of resource, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Desk,
    Connector,
    Agent,
    Ticket,
    Leg,
    Offer,
    Policy,
}

impl Kind {
    /// As in the `google.api.resource` option of the message.
    pub const fn type_name(self) -> &'static str {
        match self {
            Kind::Desk => "handoff.v1/Desk",
            Kind::Connector => "handoff.v1/Connector",
            Kind::Agent => "handoff.v1/Agent",
            Kind::Ticket => "handoff.v1/Ticket",
            Kind::Leg => "handoff.v1/Leg",
            Kind::Offer => "handoff.v1/Offer",
            Kind::Policy => "handoff.v1/Policy",
        }
    }

    /// What a name of this kind looks like.
    pub const fn pattern(self) -> &'static str {
        match self {
            Kind::Desk => "desks/{desk}",
            Kind::Connector => "desks/{desk}/connectors/{connector}",
            Kind::Agent => "desks/{desk}/agents/{agent}",
            Kind::Ticket => "desks/{desk}/tickets/{ticket}",
            Kind::Leg => "desks/{desk}/tickets/{ticket}/legs/{leg}",
            Kind::Offer => "desks/{desk}/offers/{offer}",
            Kind::Policy => "desks/{desk}/policy",
        }
    }
}

/// A ticket that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRef {
    pub desk: DeskKey,
    pub name: TicketName,
}

impl TicketRef {
    pub fn id(&self) -> TicketId {
        TicketId::of_name(&self.name)
    }
}

impl fmt::Display for TicketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ticket(&self.desk.desk, &self.name))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegRef {
    pub ticket: TicketRef,
    pub leg: u8,
}

impl LegRef {
    pub fn id(&self) -> LegId {
        LegId { ticket: self.ticket.id(), leg: self.leg }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferRef {
    pub desk: DeskKey,
    pub offer: OfferId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRef {
    pub desk: DeskKey,
    pub agent: AgentId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorRef {
    pub desk: DeskKey,
    pub connector: ConnectorId,
}

/// Why a text is no name of the kind wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not of the kind's pattern.
    Pattern,
    /// The pattern is right, a segment is not.
    Segment(BadName),
    /// The last segment is not a leg's number or an offer's id.
    Id,
}

impl From<BadName> for Malformed {
    fn from(bad: BadName) -> Malformed {
        Malformed::Segment(bad)
    }
}

impl Malformed {
    pub fn describe(self, kind: Kind) -> String {
        match (self, kind) {
            (Malformed::Pattern, _) => format!("must be a name like {}", kind.pattern()),
            (Malformed::Segment(bad), _) => format!("must be a name like {}; each part {bad}", kind.pattern()),
            (Malformed::Id, Kind::Leg) => "must end with the number of a leg, 1 to 255".to_owned(),
            (Malformed::Id, _) => format!("must be a name like {} as it was given", kind.pattern()),
        }
    }
}

pub fn parse_desk(text: &str) -> Result<DeskKey, Malformed> {
    let [desk] = segments(text, ["desks"])?;
    key(desk)
}

pub fn parse_policy(text: &str) -> Result<DeskKey, Malformed> {
    parse_desk(text.strip_suffix("/policy").ok_or(Malformed::Pattern)?)
}

pub fn parse_ticket(text: &str) -> Result<TicketRef, Malformed> {
    let [desk, ticket] = segments(text, ["desks", "tickets"])?;
    Ok(TicketRef { desk: key(desk)?, name: TicketName::parse(ticket)? })
}

pub fn parse_leg(text: &str) -> Result<LegRef, Malformed> {
    let [desk, ticket, leg] = segments(text, ["desks", "tickets", "legs"])?;
    let ticket = TicketRef { desk: key(desk)?, name: TicketName::parse(ticket)? };
    let number: u8 = leg.parse().map_err(|_| Malformed::Id)?;
    // One spelling for one leg.
    if number == 0 || number.to_string() != leg { Err(Malformed::Id) } else { Ok(LegRef { ticket, leg: number }) }
}

pub fn parse_offer(text: &str) -> Result<OfferRef, Malformed> {
    let [desk, offer] = segments(text, ["desks", "offers"])?;
    Ok(OfferRef { desk: key(desk)?, offer: offer.parse().map_err(|_| Malformed::Id)? })
}

pub fn parse_agent(text: &str) -> Result<AgentRef, Malformed> {
    let [desk, agent] = segments(text, ["desks", "agents"])?;
    Ok(AgentRef { desk: key(desk)?, agent: AgentId::parse(agent)? })
}

pub fn parse_connector(text: &str) -> Result<ConnectorRef, Malformed> {
    let [desk, connector] = segments(text, ["desks", "connectors"])?;
    Ok(ConnectorRef { desk: key(desk)?, connector: ConnectorId::parse(connector)? })
}

/// The desk of the only tenant there is without credentials.
fn key(desk: &str) -> Result<DeskKey, Malformed> {
    Ok(DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse(desk)? })
}

/// The parts between the given collections, in order, nothing before and nothing after.
fn segments<'t, const N: usize>(text: &'t str, collections: [&str; N]) -> Result<[&'t str; N], Malformed> {
    let mut parts = text.split('/');
    let mut found = [""; N];
    for (slot, collection) in found.iter_mut().zip(collections) {
        if parts.next() != Some(collection) {
            return Err(Malformed::Pattern);
        }
        *slot = parts.next().ok_or(Malformed::Pattern)?;
    }
    if parts.next().is_some() { Err(Malformed::Pattern) } else { Ok(found) }
}

pub fn desk(desk: &DeskId) -> String {
    format!("desks/{desk}")
}

pub fn policy(desk: &DeskId) -> String {
    format!("desks/{desk}/policy")
}

pub fn connector(desk: &DeskId, connector: &ConnectorId) -> String {
    format!("desks/{desk}/connectors/{connector}")
}

pub fn agent(desk: &DeskId, agent: &AgentId) -> String {
    format!("desks/{desk}/agents/{agent}")
}

pub fn ticket(desk: &DeskId, ticket: &TicketName) -> String {
    format!("desks/{desk}/tickets/{ticket}")
}

pub fn leg(desk: &DeskId, ticket: &TicketName, leg: u8) -> String {
    format!("desks/{desk}/tickets/{ticket}/legs/{leg}")
}

pub fn transfer(desk: &DeskId, ticket: &TicketName, transfer: u8) -> String {
    format!("desks/{desk}/tickets/{ticket}/transfers/{transfer}")
}

pub fn offer(desk: &DeskId, offer: OfferId) -> String {
    format!("desks/{desk}/offers/{offer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let desk = parse_desk("desks/north").expect("valid");
        let ticket_name = TicketName::parse("call-17").expect("valid");
        let id = OfferId { leg: LegId { ticket: TicketId::of_name(&ticket_name), leg: 2 }, leg_ver: 3, nth: 0 };
        assert_eq!(parse_ticket(&ticket(&desk.desk, &ticket_name)).map(|it| it.name), Ok(ticket_name.clone()));
        assert_eq!(parse_leg(&leg(&desk.desk, &ticket_name, 2)).map(|it| it.leg), Ok(2));
        assert_eq!(parse_offer(&offer(&desk.desk, id)).map(|it| it.offer), Ok(id));
        assert_eq!(parse_policy(&policy(&desk.desk)), Ok(desk.clone()));
        let agent_id = AgentId::parse("anna").expect("valid");
        assert_eq!(parse_agent(&agent(&desk.desk, &agent_id)).map(|it| it.agent), Ok(agent_id));
    }

    #[test]
    fn a_name_of_another_shape_is_refused() {
        let shapes = [
            "",
            "desks",
            "desks/",
            "/desks/a",
            "desks/a/",
            "desks/a/tickets",
            "desks/a/tickets/",
            "desks/a/ticket/b",
            "desks/a/tickets/b/c",
            "desks/A/tickets/b",
            "desks/a/tickets/b c",
            "desks/a/tickets/b\0",
            "a/tickets/b",
        ];
        for text in shapes {
            assert!(parse_ticket(text).is_err(), "{text:?}");
        }
        for number in ["0", "01", "256", "-1", "x", ""] {
            assert_eq!(parse_leg(&format!("desks/a/tickets/b/legs/{number}")), Err(Malformed::Id), "{number:?}");
        }
        assert_eq!(parse_offer("desks/a/offers/nonsense"), Err(Malformed::Id));
        assert_eq!(parse_policy("desks/a/policy/b"), Err(Malformed::Pattern));
    }
}
