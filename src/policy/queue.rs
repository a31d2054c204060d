//! A queue: a named waiting line and everything that is decided per line.

use crate::domain::id::QueueId;
use crate::domain::requirement::{Band, Channel, Ordering, Requirement, Strategy};
use crate::domain::time::Span;

/// What happens to a ticket when its contact has ended and wrap-up is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterContact {
    Resolve,
    /// It stays ASSIGNED to its owner until somebody resolves it.
    Keep,
}

/// Where a ticket goes that nobody took in time. Repeated at most 3 times.
#[derive(Clone, Debug, PartialEq)]
pub struct Terminal {
    pub queue: QueueId,
    /// Replaces the needs in force.
    pub requirement: Requirement,
}

/// What is done with a new ticket when `max_waiting` legs wait already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhenFull {
    Refuse,
    Other(QueueId),
}

/// Settings with `None` follow the ticket's channel: see the method of the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    pub id: QueueId,
    /// `None`: phone, chat and social are LIVE, e-mail and portal DEFERRED.
    pub band: Option<Band>,
    pub ordering: Ordering,
    pub strategy: Strategy,
    pub offer_timeout: Option<Span>,
    /// Agents offered one leg at once. 1 to 50.
    pub parallel_offers: u8,
    pub wrap_up: Option<Span>,
    pub after_contact: Option<AfterContact>,
    pub unassigned_timeout: Option<Span>,
    /// `None`: this queue, with no needs at all.
    pub terminal: Option<Terminal>,
    pub reopen_window: Option<Span>,
    /// How long a preferred agent is tried first.
    pub prefer: Option<Span>,
    /// First-response target, for [`Ordering::Deadline`].
    pub first_response: Option<Span>,
    pub max_waiting: Option<u32>,
    pub when_full: WhenFull,
}

impl Queue {
    /// The defaults of the product: what differs between channels is left to the ticket's channel.
    pub fn new(id: QueueId) -> Queue {
        Queue {
            id,
            band: None,
            ordering: Ordering::default(),
            strategy: Strategy::default(),
            offer_timeout: None,
            parallel_offers: 1,
            wrap_up: None,
            after_contact: None,
            unassigned_timeout: None,
            terminal: None,
            reopen_window: None,
            prefer: None,
            first_response: None,
            max_waiting: None,
            when_full: WhenFull::Refuse,
        }
    }

    fn default_band(channel: Channel) -> Band {
        match channel {
            Channel::Phone | Channel::Chat | Channel::Social => Band::Live,
            Channel::Email | Channel::Portal => Band::Deferred,
        }
    }

    pub fn band(&self, channel: Channel) -> Band {
        self.band.unwrap_or(Self::default_band(channel))
    }

    /// 5 s to 24 h.
    pub fn offer_timeout(&self, channel: Channel) -> Span {
        self.offer_timeout.unwrap_or(match channel {
            Channel::Phone => Span::from_secs(20),
            Channel::Chat | Channel::Social => Span::from_secs(30),
            Channel::Email | Channel::Portal => Span::from_secs(120),
        })
    }

    /// 0 to 3600 s.
    pub fn wrap_up(&self, channel: Channel) -> Span {
        self.wrap_up.unwrap_or(if channel == Channel::Phone { Span::from_secs(30) } else { Span::ZERO })
    }

    pub fn after_contact(&self, channel: Channel) -> AfterContact {
        self.after_contact.unwrap_or(if channel == Channel::Phone { AfterContact::Resolve } else { AfterContact::Keep })
    }

    /// 1 min to 90 d.
    pub fn unassigned_timeout(&self, channel: Channel) -> Span {
        self.unassigned_timeout.unwrap_or(if channel == Channel::Phone {
            Span::from_hours(2)
        } else {
            Span::from_days(7)
        })
    }

    /// 0 to 90 d.
    pub fn reopen_window(&self, channel: Channel) -> Span {
        self.reopen_window.unwrap_or(match channel {
            Channel::Phone => Span::ZERO,
            Channel::Chat => Span::from_hours(24),
            Channel::Social | Channel::Email | Channel::Portal => Span::from_days(7),
        })
    }

    pub fn prefer(&self, channel: Channel) -> Span {
        self.prefer.unwrap_or(if channel == Channel::Phone { Span::from_secs(30) } else { Span::from_secs(120) })
    }

    /// 1 s to 90 d.
    pub fn first_response(&self, channel: Channel) -> Span {
        self.first_response.unwrap_or(match Self::default_band(channel) {
            Band::Emergency | Band::Live => Span::from_mins(2),
            Band::Deferred => Span::from_hours(8),
        })
    }
}
