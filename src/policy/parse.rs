//! Reading a policy from YAML, with findings that name line, column and what was expected.

use super::Policy;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy is refused.
    Error,
    Warning,
    Note,
}

/// A finding in a policy's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable, lower case with `-`, e.g. `unknown-queue`.
    pub rule: &'static str,
    /// Where in the document, e.g. `queues.billing.offer_timeout`. Empty: the whole.
    pub path: String,
    /// From 1; 0: not of one line.
    pub line: u32,
    /// In characters, from 1; 0: not of one place.
    pub column: u32,
    pub message: String,
    /// What would be right. Empty: said in the message.
    pub expected: String,
}

/// A policy that may be put in force, with what is to be said of it (never errors).
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub policy: Policy,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a policy. `Err`: every finding, at least one of them an error.
pub fn parse(source: &str, revision: u32) -> Result<Parsed, Vec<Diagnostic>> {
    let _ = (source, revision);
    unimplemented!()
}
