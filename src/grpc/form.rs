//! Reading a request: every field is checked, everything that is wrong is collected, and a call that is malformed in any way
//! is refused as a whole before it becomes a command.
//!
//! Fields are named by their path in the request, e.g. `ticket.requirement.skills[0].min_level`.

mod ids;
mod mask;
mod needs;
mod text;
mod values;

use tonic::Status;

pub use mask::Mask;
pub use text::{LABELS, SHORT};

use super::status::{Fault, internal};
use crate::proto::handoff::v1::ErrorReason;
use crate::routing::reject::Violation;

/// What is known of a request's faults so far.
#[derive(Debug, Default)]
pub struct Form {
    invalid: Vec<Violation>,
    unsupported: Vec<Violation>,
}

impl Form {
    pub fn new() -> Form {
        Form::default()
    }

    /// The field is wrong. `description` completes "the field ...".
    pub fn refuse(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.invalid.push(Violation { field: field.into(), description: description.into() });
    }

    /// The field is right, but what it asks for does not exist yet.
    pub fn unsupported(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.unsupported.push(Violation { field: field.into(), description: description.into() });
    }

    /// The message that must be there; `None` is refused.
    pub fn present<'m, T>(&mut self, field: &str, message: &'m Option<T>) -> Option<&'m T> {
        if message.is_none() {
            self.refuse(field, "is required");
        }
        message.as_ref()
    }

    /// What was read, if nothing was wrong. A reader that gives `None` has refused a field.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Status> {
        self.check()?;
        value.ok_or_else(|| {
            tracing::error!("a request was read as nothing, and nothing was wrong with it");
            internal()
        })
    }

    /// Refuses the request if anything is wrong so far.
    pub fn check(self) -> Result<(), Status> {
        let Form { mut invalid, unsupported } = self;
        if invalid.is_empty() && unsupported.is_empty() {
            return Ok(());
        }
        let reason = if invalid.is_empty() { ErrorReason::Unsupported } else { ErrorReason::InvalidField };
        invalid.extend(unsupported);
        Err(Fault::invalid(reason, invalid).into())
    }
}

#[cfg(test)]
mod tests;
