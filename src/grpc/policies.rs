//! PolicyService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::call::{call, only_validate, submit};
use super::form::Form;
use super::name::{self, Kind};
use super::render;
use super::status::{self, About, Fault};
use crate::availability::Availability;
use crate::domain::id::DeskKey;
use crate::engine::{Call, Engine};
use crate::policy::parse::{Diagnostic, MAX_SOURCE_BYTES, Parsed, Severity, parse};
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::ErrorReason;
use crate::proto::handoff::v1::policy_service_server::PolicyService;
use crate::routing::command::{Answer, Command};
use crate::routing::reject::{Reject, Violation};
use crate::routing::workset::Scope;
use crate::store::{PolicyRow, Store};

const NOTE_CHARACTERS: usize = 2_000;

pub struct Policies<S, A> {
    engine: Engine<S, A>,
}

#[tonic::async_trait]
impl<S: Store, A: Availability> PolicyService for Policies<S, A> {
    async fn get_policy(&self, request: Request<pb::GetPolicyRequest>) -> Result<Response<pb::Policy>, Status> {
        let mut form = Form::new();
        let desk = form.policy("name", &request.get_ref().name);
        let desk = form.finish(desk)?;
        let revision = self.scope(&desk).await?.desk.policy_rev;
        self.revision(&desk, revision).await
    }

    async fn update_policy(&self, request: Request<pb::UpdatePolicyRequest>) -> Result<Response<pb::Policy>, Status> {
        let asked = read(request.get_ref())?;
        let current = self.scope(&asked.desk).await?.desk.policy_rev;
        let found = parse(&asked.source, current.saturating_add(1)).map_err(|found| refused(&found))?;
        if let Some(unchanged) = self.unchanged(&asked, current).await? {
            return Ok(Response::new(unchanged));
        }
        let about = about(&asked.desk);
        let call = asked.call(request.get_ref());
        let reply = submit(&self.engine, call, &about).await?;
        let Answer::Policy { revision } = reply.answer else {
            tracing::error!(answer = ?reply.answer, "an update of a policy came to something else");
            return Err(status::internal());
        };
        if request.get_ref().validate_only {
            return Ok(Response::new(self.preview(&asked, revision, &found)));
        }
        self.revision(&asked.desk, revision).await
    }

    async fn check_policy(
        &self,
        request: Request<pb::CheckPolicyRequest>,
    ) -> Result<Response<pb::CheckPolicyResponse>, Status> {
        let request = request.get_ref();
        let mut form = Form::new();
        let desk = form.policy("name", &request.name);
        let source = source(&mut form, "source", &request.source);
        let desk = form.finish(desk)?;
        let current = self.scope(&desk).await?.desk.policy_rev;
        let found = parse(&source, current.saturating_add(1)).map_or_else(|found| found, |parsed| parsed.diagnostics);
        let diagnostics = found.iter().map(render::diagnostic).collect();
        Ok(Response::new(pb::CheckPolicyResponse { diagnostics }))
    }
}

impl<S: Store, A: Availability> Policies<S, A> {
    pub fn new(engine: Engine<S, A>) -> Policies<S, A> {
        Policies { engine }
    }

    async fn scope(&self, desk: &DeskKey) -> Result<Scope, Status> {
        let scope = self.engine.store().scope(desk).await.map_err(|error| status::of_store(&error))?;
        scope.ok_or_else(|| about(desk).not_found().into())
    }

    async fn revision(&self, desk: &DeskKey, revision: u32) -> Result<Response<pb::Policy>, Status> {
        let row = self.engine.store().policy(desk, revision).await.map_err(|error| status::of_store(&error))?;
        let said = row.as_ref().and_then(|row| parse(&row.source, row.revision).ok());
        let diagnostics = said.map(|parsed| parsed.diagnostics).unwrap_or_default();
        Ok(Response::new(render::policy(&desk.desk, row.as_ref(), &diagnostics)))
    }

    /// The policy in force if its source is the one that is asked for: that makes no new revision.
    async fn unchanged(&self, asked: &Asked, current: u32) -> Result<Option<pb::Policy>, Status> {
        let row = self.engine.store().policy(&asked.desk, current).await.map_err(|error| status::of_store(&error))?;
        let Some(row) = row.filter(|row| row.source == asked.source) else { return Ok(None) };
        let found = u64::from(current);
        if asked.etag.is_some_and(|etag| etag != found) {
            return Err(status::of_failure(Reject::EtagMismatch { found }.into(), &about(&asked.desk)));
        }
        Ok(Some(self.revision(&asked.desk, row.revision).await?.into_inner()))
    }

    fn preview(&self, asked: &Asked, revision: u32, found: &Parsed) -> pb::Policy {
        let row = PolicyRow {
            revision,
            source: asked.source.clone(),
            author: Arc::from(""),
            change_note: asked.change_note.clone(),
            create_time: self.engine.clock().now(),
        };
        render::policy(&asked.desk.desk, Some(&row), &found.diagnostics)
    }
}

/// An update that was read.
struct Asked {
    desk: DeskKey,
    source: Arc<str>,
    change_note: Arc<str>,
    etag: Option<u64>,
    request_id: Option<uuid::Uuid>,
}

impl Asked {
    fn call(&self, request: &pb::UpdatePolicyRequest) -> Call {
        let command = Command::UpdatePolicy {
            source: self.source.clone(),
            // Nobody is known by name without credentials.
            author: Arc::from(""),
            change_note: self.change_note.clone(),
            etag: self.etag,
        };
        only_validate(call(self.desk.clone(), command, request, self.request_id), request.validate_only)
    }
}

fn about(desk: &DeskKey) -> About {
    About::new(desk, Kind::Policy, name::policy(&desk.desk))
}

fn read(request: &pb::UpdatePolicyRequest) -> Result<Asked, Status> {
    let mut form = Form::new();
    let empty = pb::Policy::default();
    let asked = form.present("policy", &request.policy);
    let desk = asked.and_then(|asked| form.policy("policy.name", &asked.name));
    let present = asked.is_some();
    let asked = asked.unwrap_or(&empty);
    let mask = form.mask(request.update_mask.as_ref(), &[("source", true), ("change_note", true)]);
    if !mask.has("source") {
        form.refuse("update_mask", "must name `source`: a revision is made of it");
    }
    let source = if present { source(&mut form, "policy.source", &asked.source) } else { Arc::from("") };
    let change_note = form.note("policy.change_note", &asked.change_note, NOTE_CHARACTERS);
    let etag = form.etag("policy.etag", &asked.etag);
    let request_id = form.request_id(&request.request_id);
    let desk = form.finish(desk)?;
    let change_note = mask.of("change_note", || change_note).unwrap_or_else(|| Arc::from(""));
    Ok(Asked { desk, source, change_note, etag, request_id })
}

fn source(form: &mut Form, field: &str, text: &str) -> Arc<str> {
    if text.trim().is_empty() {
        form.refuse(field, "is required, the policy as YAML");
    }
    form.prose(field, text, MAX_SOURCE_BYTES)
}

/// POLICY_INVALID with what is wrong in a source, where, and what would be right.
fn refused(found: &[Diagnostic]) -> Status {
    let errors = found.iter().filter(|it| it.severity == Severity::Error);
    let violations = errors.map(|it| Violation { field: "policy.source".to_owned(), description: describe(it) });
    Fault::invalid(ErrorReason::PolicyInvalid, violations.collect()).into()
}

fn describe(found: &Diagnostic) -> String {
    let place = match (found.line, found.column) {
        (0, _) => String::new(),
        (line, 0) => format!("line {line}: "),
        (line, column) => format!("line {line}, column {column}: "),
    };
    let path = if found.path.is_empty() { String::new() } else { format!("{}: ", found.path) };
    let expected = if found.expected.is_empty() { String::new() } else { format!("; expected {}", found.expected) };
    format!("{place}{path}{}{expected} ({})", found.message, found.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            rule: "out-of-range",
            path: "queues.billing.offer_timeout".into(),
            line: 7,
            column: 20,
            message: "1s is too short".into(),
            expected: "5s to 24h".into(),
        }
    }

    #[test]
    fn a_finding_says_where_what_and_what_would_be_right() {
        let text =
            "line 7, column 20: queues.billing.offer_timeout: 1s is too short; expected 5s to 24h (out-of-range)";
        assert_eq!(describe(&finding()), text);
        let whole = Diagnostic { line: 0, path: String::new(), expected: String::new(), ..finding() };
        assert_eq!(describe(&whole), "1s is too short (out-of-range)");
    }

    #[test]
    fn a_mask_without_the_source_is_refused() {
        let policy = pb::Policy { name: "desks/a/policy".into(), source: "queues: {}".into(), ..pb::Policy::default() };
        let with = |paths: &[&str]| {
            let paths = paths.iter().map(ToString::to_string).collect();
            read(&pb::UpdatePolicyRequest {
                policy: Some(policy.clone()),
                update_mask: Some(prost_types::FieldMask { paths }),
                ..pb::UpdatePolicyRequest::default()
            })
        };
        assert!(with(&["change_note"]).is_err());
        assert!(with(&["source"]).is_ok() && with(&["*"]).is_ok() && with(&[]).is_ok());
    }
}
