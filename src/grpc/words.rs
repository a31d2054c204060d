//! The enums of the domain and their numbers and words in the API: one table for reading and for writing. What the domain
//! adds and the API lacks does not compile.

use crate::proto::handoff::v1 as pb;

/// An enum of the domain that has a twin in the API.
pub trait Word: Copy + Sized + 'static {
    /// Every value that the API knows.
    const ALL: &'static [Self];

    /// The number in messages.
    fn number(self) -> i32;

    /// The name in the API without its enum's prefix, as in filters and metadata.
    fn word(self) -> &'static str;

    /// The value of a number; `None` for UNSPECIFIED and for numbers that the API does not have.
    fn of_number(number: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.number() == number)
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }

    /// Every word, for people.
    fn words() -> String {
        Self::ALL.iter().map(|value| value.word()).collect::<Vec<_>>().join(", ")
    }
}

/// `Domain = proto { Variant, Variant => TwinOfAnotherName, ... }`
macro_rules! words {
    ($($domain:path = $twin:ident { $($variant:ident $(=> $other:ident)?),+ $(,)? })+) => {$(
        impl Word for $domain {
            const ALL: &'static [Self] = &[$(<$domain>::$variant),+];

            fn number(self) -> i32 {
                match self { $(<$domain>::$variant => words!(@twin $twin $variant $($other)?) as i32),+ }
            }

            fn word(self) -> &'static str {
                let unspecified = pb::$twin::Unspecified.as_str_name();
                let prefix = unspecified.len() - "UNSPECIFIED".len();
                let name = match self {
                    $(<$domain>::$variant => words!(@twin $twin $variant $($other)?).as_str_name()),+
                };
                &name[prefix..]
            }
        }
    )+};
    (@twin $twin:ident $variant:ident) => { pb::$twin::$variant };
    (@twin $twin:ident $variant:ident $other:ident) => { pb::$twin::$other };
}

words! {
    crate::domain::requirement::Channel = Channel { Phone, Chat, Social, Email, Portal }
    crate::domain::requirement::Pool = Pool { Live, Deferred }
    crate::domain::requirement::Band = Band { Emergency, Live, Deferred }
    crate::domain::requirement::Strategy = Strategy { Scarce, Best }
    crate::domain::ticket::TicketState = TicketState { Open, Queued, Assigned, OnHold, Resolved, Closed, Cancelled }
    crate::domain::ticket::CancelReason = CancelReason {
        CustomerLeft, Withdrawn, Spam, Duplicate, Merged, Test, Unreachable
    }
    crate::domain::ticket::Infeasibility = Infeasibility { Never, Absent, Busy, Excluded, ConnectorAway }
    crate::domain::ticket::Axis = EscalationAxis { Functional, Hierarchical }
    crate::domain::ticket::EscalationReason = EscalationReason {
        InsufficientKnowledge, Miscommunication, SlaBreach, AuthorizationRequired, CustomerDemand, CustomerConflict,
        InternalConflict, NoMatch, Declined, Other
    }
    crate::domain::ticket::TransferState = TransferState { Requested, Offered, Completed, Returned, Failed, Cancelled }
    crate::domain::ticket::Release = TransferRelease { AfterConfirm, Now }
    crate::domain::ticket::OnUnavailable = OnUnavailable { Reject, Queue, Fallback }
    crate::domain::leg::LegState = LegState { Waiting, Offered, Connecting, Active, Wrapping, Done, Cancelled }
    crate::domain::leg::LegRole = LegRole { Handle, Transfer, Escalation }
    crate::domain::leg::ExclusionReason = ExclusionReason { Declined, Conflict, Missed, Lost, Failed, Transferor }
    crate::domain::leg::EndedBy = EndedBy { Customer, Agent, Connector, System, Supervisor }
    crate::domain::offer::OfferState = OfferState {
        Pending, Accepted, Confirmed, Declined, Expired, Revoked, Failed
    }
    crate::domain::offer::DeclineReason = DeclineReason { Busy, NotMySkill, Conflict, Personal, Other }
    crate::domain::offer::RevokeReason = RevokeReason {
        TakenByAnother, Cancelled, Superseded, Resolved, AgentOffline, AgentOnBreak, SessionEnded, AgentDeleted
    }
    crate::domain::offer::FailReason = FailReason {
        AgentUnreachable, AgentBusyElsewhere, MediaError, CustomerGone, CustomerUnreachable, Unconfirmed, Other
    }
    crate::domain::agent::Accepts = Accepts { Desktop, Endpoint, Auto }
    crate::domain::agent::Reachability = Reachability { Reachable, Unreachable, BusyElsewhere }
    crate::domain::agent::OpenWork = OpenWork { Keep, Requeue }
    crate::domain::connector::Reach = ConnectorReach { Own, Channel, Desk }
    crate::domain::connector::Affinity = ConnectorAffinity { Any, Instance }
    crate::domain::event::QueuedReason = QueuedReason {
        Created, Scheduled, Requeued, HandlerLost, Reopened, Resumed, Transferred, Escalated, Returned, Terminal, Assigned
    }
    crate::domain::event::NotificationReason = NotificationReason { HopLimitNear, HopLimitReached }
    crate::domain::record::Trigger = DecisionTrigger { LegArrived, AgentFreed, Assigned }
    crate::domain::record::Unfit = CandidateExclusion {
        Requirement, NotReady, NoSession, NotResponding, Channel, Capacity, Excluded, Suspect, Reserved
    }
    crate::routing::command::AssignMode = AssignMode { Offer, Force }
    crate::routing::command::Timing = StateTiming { Now, AfterCurrent }
    crate::routing::command::SessionMode = SessionMode { Join, TakeOver }
    crate::policy::parse::Severity = DiagnosticSeverity { Error, Warning, Note => Info }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::requirement::Channel;
    use crate::domain::ticket::{Infeasibility, TicketState};

    #[test]
    fn a_value_is_read_back_from_its_number_and_its_word() {
        for state in TicketState::ALL {
            assert_eq!(<TicketState as Word>::of_number(Word::number(state)), Some(state));
            assert_eq!(<TicketState as Word>::of_word(Word::word(state)), Some(state));
            assert_eq!(Word::word(state), state.word());
        }
        assert_eq!(Infeasibility::ConnectorAway.word(), "CONNECTOR_AWAY");
        assert_eq!(Word::number(Channel::Portal), 5);
    }

    #[test]
    fn unspecified_and_unknown_numbers_are_no_value() {
        for number in [0, 6, -1, i32::MAX] {
            assert_eq!(<Channel as Word>::of_number(number), None);
        }
        assert_eq!(<Channel as Word>::of_word("phone"), None);
    }
}
