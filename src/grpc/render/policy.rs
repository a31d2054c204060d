//! Policies and what is to be said of them.

use super::{etag, timestamp};
use crate::domain::id::DeskId;
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::policy::parse::Diagnostic;
use crate::proto::handoff::v1 as pb;
use crate::store::PolicyRow;

/// A desk's policy; `None`: the built-in one.
pub fn policy(desk: &DeskId, row: Option<&PolicyRow>, diagnostics: &[Diagnostic]) -> pb::Policy {
    let named = pb::Policy { name: name::policy(desk), ..pb::Policy::default() };
    let Some(row) = row else {
        return pb::Policy { revision_id: "0".to_owned(), etag: etag(0), ..named };
    };
    pb::Policy {
        source: row.source.to_string(),
        revision_id: row.revision.to_string(),
        etag: etag(u64::from(row.revision)),
        author: row.author.to_string(),
        change_note: row.change_note.to_string(),
        create_time: Some(timestamp(row.create_time)),
        diagnostics: diagnostics.iter().map(diagnostic).collect(),
        ..named
    }
}

pub fn diagnostic(found: &Diagnostic) -> pb::PolicyDiagnostic {
    pb::PolicyDiagnostic {
        severity: found.severity.number(),
        rule: found.rule.to_owned(),
        path: found.path.clone(),
        line: found.line,
        column: found.column,
        message: found.message.clone(),
        expected: found.expected.clone(),
    }
}
