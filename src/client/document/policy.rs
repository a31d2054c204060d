//! A desk's policy in a document: written in place, as a block of text, or in a file of its own.

use super::Context;
use crate::yaml::reader::{At, Fields, Reader};
use crate::yaml::{Place, Value};

/// The source of a policy and how its places translate into those of the file it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    pub source: String,
    /// The file, if it is not the document itself.
    pub file: Option<String>,
    /// Where the document states it.
    pub place: Place,
    /// Line and column of the source's first character.
    start: Place,
}

impl PolicySource {
    /// The place, in the file it stands in, of a place of the source.
    pub fn place_of(&self, line: u32, column: u32) -> Place {
        if line == 0 {
            return self.place;
        }
        let column = if column == 0 { 0 } else { column + self.start.column - 1 };
        Place { line: line + self.start.line - 1, column }
    }
}

pub(super) fn read(reader: &mut Reader, context: &Context<'_>, fields: &Fields<'_>) -> Option<PolicySource> {
    match (fields.get("policy"), fields.get("policy_file")) {
        (Some(_), Some(at)) => {
            let message = "the policy is given twice".to_owned();
            reader.report(&at, "given-twice", message, "either `policy` or `policy_file`");
            None
        }
        (Some(at), None) => in_place(reader, context.source, &at),
        (None, Some(at)) => from_file(reader, context, &at),
        (None, None) => None,
    }
}

fn from_file(reader: &mut Reader, context: &Context<'_>, at: &At<'_>) -> Option<PolicySource> {
    let path = reader.text(at)?;
    match (context.load)(path) {
        Ok(source) => {
            let start = Place { line: 1, column: 1 };
            Some(PolicySource { source, file: Some(path.to_owned()), place: at.node.place, start })
        }
        Err(error) => {
            reader.report(at, "unreadable-file", format!("cannot read `{path}`: {error}"), "");
            None
        }
    }
}

fn in_place(reader: &mut Reader, document: &str, at: &At<'_>) -> Option<PolicySource> {
    let place = at.node.place;
    match &at.node.value {
        Value::Scalar(text) => {
            // The place is that of the first line with text.
            let above = text.len() - text.trim_start_matches('\n').len();
            let line = place.line.saturating_sub(u32::try_from(above).unwrap_or(0));
            Some(PolicySource { source: text.clone(), file: None, place, start: Place { line, ..place } })
        }
        Value::Map(_) => {
            let Some(source) = lines_of(document, place) else {
                let message = "a policy in braces cannot be taken over with its comments".to_owned();
                reader.report(at, "wrong-type", message, "the policy's sections on lines of their own");
                return None;
            };
            Some(PolicySource { source, file: None, place, start: place })
        }
        Value::Null | Value::List(_) => {
            reader.wrong_kind(at, "the policy's sections");
            None
        }
    }
}

/// The lines of a block mapping from its first key on, comments included, without their indentation. None: not a block.
fn lines_of(document: &str, place: Place) -> Option<String> {
    let indent = usize::try_from(place.column).ok()?.checked_sub(1)?;
    let skipped = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let mut lines = Vec::new();
    for line in document.split('\n').skip(skipped) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let text = line.trim_start_matches(' ');
        let depth = line.len() - text.len();
        if lines.is_empty() && (depth != indent || text.starts_with('{')) {
            return None;
        }
        if depth < indent && !text.is_empty() {
            // A comment may stand anywhere; anything else ends the mapping.
            if !text.starts_with('#') {
                break;
            }
            lines.push("");
            continue;
        }
        lines.push(line.get(indent..).unwrap_or(""));
    }
    let written = lines.iter().rposition(|line| !line.trim().is_empty())?;
    Some(lines[..=written].join("\n") + "\n")
}
