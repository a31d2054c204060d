//! Names, ids, versions.

use uuid::Uuid;

use super::Form;
use crate::domain::id::{AgentId, BadName, ConnectorId, DeskKey, QueueId};
use crate::grpc::name::{
    self, AgentRef, ConnectorRef, Kind, LegRef, Malformed, OfferRef, TicketRef, parse_agent, parse_connector,
};

impl Form {
    /// `desks/{desk}`.
    pub fn desk(&mut self, field: &str, text: &str) -> Option<DeskKey> {
        self.name(field, text, Kind::Desk, name::parse_desk)
    }

    /// `desks/{desk}/policy`.
    pub fn policy(&mut self, field: &str, text: &str) -> Option<DeskKey> {
        self.name(field, text, Kind::Policy, name::parse_policy)
    }

    pub fn ticket(&mut self, field: &str, text: &str) -> Option<TicketRef> {
        self.name(field, text, Kind::Ticket, name::parse_ticket)
    }

    pub fn leg(&mut self, field: &str, text: &str) -> Option<LegRef> {
        self.name(field, text, Kind::Leg, name::parse_leg)
    }

    pub fn offer(&mut self, field: &str, text: &str) -> Option<OfferRef> {
        self.name(field, text, Kind::Offer, name::parse_offer)
    }

    pub fn agent(&mut self, field: &str, text: &str) -> Option<AgentRef> {
        self.name(field, text, Kind::Agent, parse_agent)
    }

    pub fn connector(&mut self, field: &str, text: &str) -> Option<ConnectorRef> {
        self.name(field, text, Kind::Connector, parse_connector)
    }

    /// An agent who must be of the desk that the request is about; `None` for the desk: that is refused already.
    pub fn agent_of(&mut self, desk: Option<&DeskKey>, field: &str, text: &str) -> Option<AgentId> {
        let agent = self.agent(field, text)?;
        self.same_desk(desk, field, &agent.desk).then_some(agent.agent)
    }

    /// A connector of the desk that the request is about.
    pub fn connector_of(&mut self, desk: Option<&DeskKey>, field: &str, text: &str) -> Option<ConnectorId> {
        let connector = self.connector(field, text)?;
        self.same_desk(desk, field, &connector.desk).then_some(connector.connector)
    }

    /// A ticket of the desk that the request is about.
    pub fn ticket_of(&mut self, desk: Option<&DeskKey>, field: &str, text: &str) -> Option<TicketRef> {
        let ticket = self.ticket(field, text)?;
        self.same_desk(desk, field, &ticket.desk).then_some(ticket)
    }

    /// The last part of a name that the caller chooses, read by the id's own rules.
    pub fn id<T>(&mut self, field: &str, text: &str, parse: impl Fn(&str) -> Result<T, BadName>) -> Option<T> {
        if text.is_empty() {
            self.refuse(field, "is required");
            return None;
        }
        let parsed = parse(text);
        if let Err(bad) = &parsed {
            self.refuse(field, bad.to_string());
        }
        parsed.ok()
    }

    /// A queue of the policy; empty: none.
    pub fn queue(&mut self, field: &str, text: &str) -> Option<QueueId> {
        if text.is_empty() { None } else { self.id(field, text, QueueId::parse) }
    }

    /// A UUID of any version in its usual spelling; empty: none.
    pub fn request_id(&mut self, text: &str) -> Option<Uuid> {
        if text.is_empty() {
            return None;
        }
        let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
        let parsed = Uuid::try_parse(text).ok().filter(|_| hyphenated);
        if parsed.is_none() {
            self.refuse("request_id", "must be a UUID like 01234567-89ab-cdef-0123-456789abcdef, or empty");
        }
        parsed
    }

    /// A version as it was given out; empty: not checked.
    pub fn etag(&mut self, field: &str, text: &str) -> Option<u64> {
        if text.is_empty() {
            return None;
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = text.parse().ok().filter(|_| digits);
        if parsed.is_none() {
            self.refuse(field, "must be an etag as it was returned, or empty");
        }
        parsed
    }

    fn name<T>(
        &mut self,
        field: &str,
        text: &str,
        kind: Kind,
        parse: impl Fn(&str) -> Result<T, Malformed>,
    ) -> Option<T> {
        if text.is_empty() {
            self.refuse(field, format!("is required, a name like {}", kind.pattern()));
            return None;
        }
        let parsed = parse(text);
        if let Err(malformed) = &parsed {
            self.refuse(field, malformed.clone().describe(kind));
        }
        parsed.ok()
    }

    fn same_desk(&mut self, desk: Option<&DeskKey>, field: &str, found: &DeskKey) -> bool {
        match desk {
            Some(desk) if desk == found => true,
            Some(desk) => {
                self.refuse(field, format!("must be of the same desk, desks/{}", desk.desk));
                false
            }
            None => false,
        }
    }
}
