//! Makes a server have what a document states: creates what is missing, updates what differs, deletes nothing. Doing it twice
//! changes nothing the second time.

mod present;
mod resource;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::connection::{Connection, said};
use super::document::write::{Change, changes};
use super::document::{DeskDocument, Document, PolicySource, Stated};
use crate::proto::handoff::v1;
use crate::yaml::Place;
pub use present::{Desk, find_desk, list_desks};
use resource::Kind;

/// Whether to make the changes or only to show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Apply,
    DryRun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Updated,
    Unchanged,
    Failed,
}

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub name: String,
    pub outcome: Outcome,
    pub changes: Vec<Change>,
    /// Why it failed, or warnings on a policy.
    pub remarks: Vec<Remark>,
}

/// Something to be said of a place of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// A policy's own file. None: the document.
    pub file: Option<String>,
    pub place: Place,
    /// The field that the server named. Empty: none.
    pub field: String,
    pub message: String,
}

impl Applied {
    fn new(name: &str, outcome: Outcome) -> Applied {
        Applied { name: name.to_owned(), outcome, changes: Vec::new(), remarks: Vec::new() }
    }

    fn failed(name: &str, remarks: Vec<Remark>) -> Applied {
        Applied { remarks, ..Applied::new(name, Outcome::Failed) }
    }
}

/// Applies a document, resource by resource: what fails is said, and the others go on. A desk that fails takes its agents and
/// connectors with it.
///
/// # Errors
/// When the server cannot tell what it has.
pub async fn apply(connection: &Connection, document: &Document, mode: Mode) -> Result<Vec<Applied>, Status> {
    let mut applied = Vec::new();
    for wanted in &document.desks {
        apply_desk(connection, wanted, mode, &mut applied).await?;
    }
    Ok(applied)
}

async fn apply_desk(
    connection: &Connection,
    wanted: &DeskDocument,
    mode: Mode,
    applied: &mut Vec<Applied>,
) -> Result<(), Status> {
    let name = &wanted.desk.resource.name;
    let present = match find_desk(connection, name).await {
        // The id itself may be what is wrong.
        Err(status) if status.code() == Code::InvalidArgument => {
            applied.push(Applied::failed(name, remarks(&wanted.desk, &status)));
            return Ok(());
        }
        found => found?,
    };
    let desk = put(connection, present.as_ref().map(|desk| &desk.desk), &wanted.desk, mode).await;
    let failed = desk.outcome == Outcome::Failed;
    applied.push(desk);
    if failed {
        return Ok(());
    }
    let is_new = present.is_none();
    let present = present.unwrap_or_default();
    if let Some(policy) = &wanted.policy {
        // A desk that does not exist yet cannot be asked about a policy.
        let old = if is_new && mode == Mode::Apply { present::policy(connection, name).await? } else { present.policy };
        let asked = !is_new || mode == Mode::Apply;
        applied.push(put_policy(connection, name, old, policy, asked, mode).await?);
    }
    for connector in &wanted.connectors {
        let old = present.connectors.iter().find(|old| old.name == connector.resource.name);
        applied.push(put(connection, old, connector, mode).await);
    }
    for agent in &wanted.agents {
        let old = present.agents.iter().find(|old| old.name == agent.resource.name);
        applied.push(put(connection, old, agent, mode).await);
    }
    Ok(())
}

/// Creates or updates one resource.
async fn put<T: Kind>(connection: &Connection, old: Option<&T>, wanted: &Stated<T>, mode: Mode) -> Applied {
    let new = &wanted.resource;
    let changes = changes(old.unwrap_or(&T::default()), new);
    let outcome = match old {
        None => Outcome::Created,
        Some(_) if changes.is_empty() => Outcome::Unchanged,
        Some(_) => Outcome::Updated,
    };
    let made = match (mode, old, outcome) {
        (Mode::DryRun, ..) | (_, _, Outcome::Unchanged) => Ok(()),
        (Mode::Apply, None, _) => T::create(connection, new).await,
        (Mode::Apply, Some(old), _) => {
            let mask = changes.iter().map(|change| change.mask.to_owned()).collect();
            T::update(connection, new.with_etag_of(old), mask).await
        }
    };
    match made {
        Ok(()) => Applied { changes, ..Applied::new(new.name(), outcome) },
        Err(status) => Applied::failed(new.name(), remarks(wanted, &status)),
    }
}

/// What a server refused, each field with its place in the document.
fn remarks<T>(wanted: &Stated<T>, status: &Status) -> Vec<Remark> {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    let remark = |field: String, message: String| {
        let place = wanted.place_of(&field);
        Remark { file: None, place, field, message }
    };
    if violations.is_empty() {
        return vec![remark(String::new(), said(status))];
    }
    violations.into_iter().map(|violation| remark(violation.field, violation.description)).collect()
}

async fn put_policy(
    connection: &Connection,
    desk: &str,
    old: v1::Policy,
    wanted: &PolicySource,
    asked: bool,
    mode: Mode,
) -> Result<Applied, Status> {
    let name = format!("{desk}/policy");
    if old.source == wanted.source {
        return Ok(Applied::new(&name, Outcome::Unchanged));
    }
    let change = policy_change(&old.source, &wanted.source);
    let mut applied = Applied { changes: vec![change], ..Applied::new(&name, Outcome::Updated) };
    if !asked {
        return Ok(applied);
    }
    let checked = present::check_policy(connection, &name, &wanted.source).await;
    let diagnostics = match checked {
        Ok(diagnostics) => diagnostics,
        Err(status) if status.code() == Code::InvalidArgument => {
            let message = said(&status);
            let remark = Remark { file: wanted.file.clone(), place: wanted.place, field: "source".to_owned(), message };
            return Ok(Applied::failed(&name, vec![remark]));
        }
        Err(status) => return Err(status),
    };
    applied.remarks = diagnostics.iter().map(|finding| policy_remark(wanted, finding)).collect();
    if diagnostics.iter().any(|finding| finding.severity() == v1::DiagnosticSeverity::Error) {
        return Ok(Applied { outcome: Outcome::Failed, changes: Vec::new(), ..applied });
    }
    if mode == Mode::Apply
        && let Err(status) = resource::update_policy(connection, &name, &wanted.source, &old.etag).await
    {
        let (place, message) = (wanted.place, said(&status));
        let remark = Remark { file: wanted.file.clone(), place, field: String::new(), message };
        return Ok(Applied::failed(&name, vec![remark]));
    }
    Ok(applied)
}

fn policy_remark(policy: &PolicySource, finding: &v1::PolicyDiagnostic) -> Remark {
    let severity = match finding.severity() {
        v1::DiagnosticSeverity::Unspecified | v1::DiagnosticSeverity::Error => "",
        v1::DiagnosticSeverity::Warning => "warning: ",
        v1::DiagnosticSeverity::Info => "note: ",
    };
    let expected =
        if finding.expected.is_empty() { String::new() } else { format!(" (expected: {})", finding.expected) };
    Remark {
        file: policy.file.clone(),
        place: policy.place_of(finding.line, finding.column),
        field: finding.path.clone(),
        message: format!("{severity}{}{expected}", finding.message),
    }
}

/// A policy is many lines: the first that differs says where it changes.
fn policy_change(old: &str, new: &str) -> Change {
    let (mut before, mut after) = (old.lines(), new.lines());
    let mut line = 1;
    let (old, new) = loop {
        match (before.next(), after.next()) {
            (Some(old), Some(new)) if old == new => line += 1,
            (old, new) => break (old.unwrap_or_default(), new.unwrap_or_default()),
        }
    };
    let shown = |text: &str| format!("line {line}: {}", text.trim());
    Change { key: "source", mask: "source", old: shown(old), new: shown(new) }
}

#[cfg(test)]
mod tests;
