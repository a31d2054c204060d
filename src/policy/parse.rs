//! Reading a policy from YAML, with findings that name line, column and what was expected.
//!
//! The document is read whole: every mistake is reported at once, in the order of the document. What a policy leaves out follows
//! the built-in one. Start at [`parse`]; each section has its module.

mod catalogue;
mod checks;
mod classification;
mod condition;
mod fields;
mod limits;
mod needs;
mod queues;

use super::Policy;
use crate::domain::requirement::Requirement;
use crate::yaml::reader::{At, Problem, Reader};
use crate::yaml::{self, Bounds};
pub use fields::{channel, names, span};
pub use needs::{authorities, skills};

/// Every bound is far above what a desk's policy takes, and low enough that reading one is a matter of milliseconds.
const BOUNDS: Bounds = Bounds { bytes: MAX_SOURCE_BYTES, depth: 32, nodes: 50_000 };

/// The largest source that is read.
pub const MAX_SOURCE_BYTES: usize = 240 * 1_024;

/// Findings listed for one source. Whoever has more mistakes than this corrects these first.
const MAX_DIAGNOSTICS: usize = 200;

const SECTIONS: &[&str] = &["catalogue", "classification", "default_queues", "queues", "limits"];

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

impl Diagnostic {
    fn of(severity: Severity, problem: Problem) -> Diagnostic {
        Diagnostic {
            severity,
            rule: problem.rule,
            path: problem.path,
            line: problem.place.line,
            column: problem.place.column,
            message: problem.message,
            expected: problem.expected,
        }
    }
}

/// Reads and checks a policy. `Err`: every finding, at least one of them an error. A source without any section is the built-in
/// policy under a revision of its own.
pub fn parse(source: &str, revision: u32) -> Result<Parsed, Vec<Diagnostic>> {
    let root = yaml::read(source, BOUNDS).map_err(|error| {
        let (path, expected) = (String::new(), String::new());
        let problem = Problem { rule: "syntax", path, place: error.place, message: error.message, expected };
        vec![Diagnostic::of(Severity::Error, problem)]
    })?;
    let mut errors = Reader::default();
    let sections = errors.fields(&At::root(&root), SECTIONS);
    let mut policy = Policy { revision, ..Policy::built_in() };
    if let Some(at) = sections.get("catalogue") {
        policy.catalogue = catalogue::read(&mut errors, &at);
    }
    // Queues before whatever names one: a queue of the document exists even where its settings are wrong.
    let mut named = checks::Named::default();
    if let Some(at) = sections.get("queues") {
        policy.queues.extend(queues::read(&mut errors, &mut named, &at));
    }
    if let Some(at) = sections.get("default_queues") {
        policy.default_queues.extend(queues::read_defaults(&mut errors, &mut named, &at));
    }
    if let Some(at) = sections.get("classification") {
        policy.classification = classification::read(&mut errors, &mut named, &at);
    }
    if let Some(at) = sections.get("limits") {
        policy.limits = limits::read(&mut errors, &at);
    }
    let mut warnings = Reader::default();
    checks::check(&policy, &named, &mut errors, &mut warnings);
    let refused = !errors.problems.is_empty();
    let diagnostics = in_order(errors, warnings);
    if refused { Err(diagnostics) } else { Ok(Parsed { policy, diagnostics }) }
}

/// Reads the queues of another document as a policy's are read: the built-in policy with these queues.
pub fn queues_of(reader: &mut Reader, at: Option<&At<'_>>) -> Policy {
    let mut policy = Policy { revision: 1, ..Policy::built_in() };
    let mut named = checks::Named::default();
    if let Some(at) = at {
        policy.queues.extend(queues::read(reader, &mut named, at));
    }
    checks::check(&policy, &named, reader, &mut Reader::default());
    policy
}

/// Reads a requirement of another document.
pub fn need_of(reader: &mut Reader, at: &At<'_>) -> Requirement {
    needs::read(reader, &mut checks::Named::default(), at)
}

fn in_order(errors: Reader, warnings: Reader) -> Vec<Diagnostic> {
    let errors = errors.problems.into_iter().map(|problem| Diagnostic::of(Severity::Error, problem));
    let warnings = warnings.problems.into_iter().map(|problem| Diagnostic::of(Severity::Warning, problem));
    let mut all: Vec<Diagnostic> = errors.chain(warnings).collect();
    // Errors first where there are too many to list, so that none is hidden behind warnings.
    all.truncate(MAX_DIAGNOSTICS);
    all.sort_by_key(|finding| (finding.line, finding.column));
    all
}

#[cfg(test)]
mod tests;
