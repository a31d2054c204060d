//! Errors as callers see them: every refusal, with its code, its reason and the google.rpc details that the contract
//! promises. Internals never leave the process: they are said to the log, and the caller hears INTERNAL or UNAVAILABLE.

mod reject;

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::name::Kind;
use crate::engine::Failure;
use crate::proto::handoff::v1::ErrorReason;
use crate::routing::reject::Violation;
use crate::store;

pub use reject::About;

/// The domain of every reason.
pub const DOMAIN: &str = "handoff.v1";
/// When to try again after the store did not answer a read.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// An error in the making. `Status::from` finishes it.
#[derive(Debug)]
pub struct Fault {
    reason: ErrorReason,
    message: String,
    metadata: HashMap<String, String>,
    violations: Vec<Violation>,
    resource: Option<(Kind, String)>,
    retry_after: Option<Duration>,
}

impl Fault {
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Fault {
        Fault {
            reason,
            message: message.into(),
            metadata: HashMap::new(),
            violations: Vec::new(),
            resource: None,
            retry_after: None,
        }
    }

    /// INVALID_ARGUMENT: the message repeats the violations, for whoever reads only that.
    pub fn invalid(reason: ErrorReason, violations: Vec<Violation>) -> Fault {
        let each = violations.iter().map(|it| format!("{}: {}", it.field, it.description));
        let message = each.collect::<Vec<_>>().join("; ");
        Fault { violations, ..Fault::new(reason, message) }
    }

    pub fn not_found(kind: Kind, name: impl Into<String>) -> Fault {
        let name = name.into();
        let fault = Fault::new(ErrorReason::NotFound, format!("{name} was not found"));
        Fault { resource: Some((kind, name)), ..fault }
    }

    pub fn already_exists(reason: ErrorReason, kind: Kind, name: impl Into<String>, message: String) -> Fault {
        Fault { resource: Some((kind, name.into())), ..Fault::new(reason, message) }
    }

    /// The process is being stopped: nothing was done, another one will do it.
    pub fn shutting_down() -> Fault {
        Fault::new(ErrorReason::ShuttingDown, "the service is shutting down").retry_after(Duration::ZERO)
    }

    /// An entry of the error's metadata.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Fault {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    pub fn retry_after(mut self, delay: Duration) -> Fault {
        self.retry_after = Some(delay);
        self
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Status {
        let mut details = ErrorDetails::with_error_info(word(fault.reason), DOMAIN, fault.metadata);
        if !fault.violations.is_empty() {
            let violations = fault.violations.into_iter().map(|it| FieldViolation::new(it.field, it.description));
            details.set_bad_request(violations.collect::<Vec<_>>());
        }
        if let Some((kind, name)) = fault.resource {
            details.set_resource_info(kind.type_name(), name, "", fault.message.clone());
        }
        if let Some(delay) = fault.retry_after {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(code(fault.reason), fault.message, details)
    }
}

/// A failed read. The cause goes to the log.
pub fn of_store(error: &store::Error) -> Status {
    match error {
        store::Error::Away(_) | store::Error::Undone => {
            tracing::warn!(error = error as &dyn std::error::Error, "the store did not answer a read");
            Fault::new(ErrorReason::StoreUnavailable, "the store does not answer").retry_after(STORE_RETRY).into()
        }
        store::Error::Corrupt { .. }
        | store::Error::InUse { .. }
        | store::Error::Directory { .. }
        | store::Error::Unfit(_)
        | store::Error::Migrate(_) => {
            tracing::error!(error = ?error, "a read failed");
            internal()
        }
    }
}

/// Why the engine did not carry out a call that was about `about`.
pub fn of_failure(failure: Failure, about: &About) -> Status {
    match failure {
        Failure::Rejected(reject) => reject::fault(reject, about).into(),
        Failure::RequestIdReused => {
            let description = "was used by this method with another request in the last 24 h; use a new one".into();
            let violation = Violation { field: "request_id".into(), description };
            Fault::invalid(ErrorReason::RequestIdReused, vec![violation]).into()
        }
        Failure::Overloaded { retry_after } => {
            let message = "too much work is waiting; nothing was done";
            Fault::new(ErrorReason::Overloaded, message).retry_after(retry_after).into()
        }
        Failure::StoreAway { retry_after } => {
            let message = "the store does not answer; repeat with the same request id";
            Fault::new(ErrorReason::StoreUnavailable, message).retry_after(retry_after).into()
        }
        Failure::Draining => Fault::shutting_down().into(),
        Failure::Internal => internal(),
    }
}

/// A fault of ours; whoever met it has logged it.
pub fn internal() -> Status {
    Fault::new(ErrorReason::Internal, "internal error; it was logged").into()
}

/// The reason's name without its prefix.
pub fn word(reason: ErrorReason) -> &'static str {
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}

/// The code that the contract gives each reason.
pub fn code(reason: ErrorReason) -> Code {
    match reason {
        ErrorReason::Unspecified => Code::Unknown,
        ErrorReason::InvalidField
        | ErrorReason::RequestIdReused
        | ErrorReason::PageTokenInvalid
        | ErrorReason::PolicyInvalid
        | ErrorReason::Protocol
        | ErrorReason::AckAhead
        | ErrorReason::Unsupported => Code::InvalidArgument,
        ErrorReason::NotFound => Code::NotFound,
        ErrorReason::AlreadyExists | ErrorReason::ConversationInUse => Code::AlreadyExists,
        ErrorReason::EtagMismatch | ErrorReason::SubscriptionDisplaced | ErrorReason::SessionDisplaced => Code::Aborted,
        ErrorReason::WrongState
        | ErrorReason::OfferExpired
        | ErrorReason::OfferRevoked
        | ErrorReason::OfferDeclined
        | ErrorReason::OfferFailed
        | ErrorReason::AcceptedElsewhere
        | ErrorReason::SessionStale
        | ErrorReason::SessionHeld
        | ErrorReason::Capacity
        | ErrorReason::AgentUnavailable
        | ErrorReason::NobodyFits
        | ErrorReason::NobodyHasBoth
        | ErrorReason::PingPong
        | ErrorReason::NotAuthorised => Code::FailedPrecondition,
        ErrorReason::OriginRefused => Code::PermissionDenied,
        ErrorReason::QueueFull
        | ErrorReason::LaneLimit
        | ErrorReason::LimitReached
        | ErrorReason::TooLarge
        | ErrorReason::RateLimited => Code::ResourceExhausted,
        ErrorReason::CursorExpired => Code::OutOfRange,
        ErrorReason::CursorAhead | ErrorReason::CursorForeign => Code::DataLoss,
        ErrorReason::Overloaded | ErrorReason::ShuttingDown | ErrorReason::StoreUnavailable => Code::Unavailable,
        ErrorReason::Internal => Code::Internal,
        ErrorReason::DeadlinePassed => Code::DeadlineExceeded,
    }
}

#[cfg(test)]
mod tests;
