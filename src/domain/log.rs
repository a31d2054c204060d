//! Reading the log: which decisions a reader is sent, and one of them with what a connector needs beside it.

use std::sync::Arc;

use super::bucket::Shares;
use super::event::{Actor, Entry};
use super::id::{ConnectorId, TicketName};
use super::requirement::Channel;
use super::ticket::Content;

/// Which decisions a reader sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Decisions of tickets that this connector created, or of agents whom it reaches. `None`: every connector's.
    pub connector: Option<ConnectorId>,
    /// Empty: all.
    pub channels: Vec<Channel>,
    /// Kinds as in `Body::decision_kind`; empty: all.
    pub kinds: Vec<Arc<str>>,
    /// The reader's part of them. `None`: all.
    pub shares: Option<Arc<Shares>>,
}

impl Selection {
    /// Whether this reader is sent the entry.
    pub fn holds(&self, entry: &Entry) -> bool {
        let kind = entry.event.body.decision_kind();
        let Some(route) = &entry.route else { return false };
        let mine =
            |connector: &ConnectorId| route.connector == *connector || route.side_connector.as_ref() == Some(connector);
        entry.event.is_decision()
            && self.connector.as_ref().is_none_or(mine)
            && (self.channels.is_empty() || self.channels.contains(&route.channel))
            && (self.kinds.is_empty() || self.kinds.iter().any(|wanted| Some(wanted.as_ref()) == kind))
            && self.shares.as_ref().is_none_or(|shares| shares.hold(self.connector.as_ref(), entry))
    }
}

/// A decision as read from the log.
#[derive(Clone, Debug)]
pub struct LogRow {
    pub entry: Arc<Entry>,
    pub ticket_name: Option<TicketName>,
    pub content: Option<Arc<Content>>,
}

impl LogRow {
    pub fn seq(&self) -> u64 {
        self.entry.seq
    }

    pub fn actor(&self) -> &Actor {
        &self.entry.event.actor
    }
}
