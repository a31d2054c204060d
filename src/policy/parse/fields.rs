//! Values that only policies have: spans within bounds, queues, channels, sets of names.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::id::QueueId;
use crate::domain::requirement::Channel;
use crate::domain::time::Span;
use crate::yaml::reader::{At, Reader, shown};

/// Longest name of a skill, an authority, a rule.
pub const NAME: usize = 63;
/// Longest value that a condition compares with.
pub const LABEL: usize = 256;

const CHANNELS: [(&str, Channel); 5] = [
    ("phone", Channel::Phone),
    ("chat", Channel::Chat),
    ("social", Channel::Social),
    ("email", Channel::Email),
    ("portal", Channel::Portal),
];

pub fn channel(reader: &mut Reader, at: &At<'_>) -> Option<Channel> {
    reader.one_of(at, &CHANNELS)
}

/// A span such as `20s`, within its bounds, both inclusive.
pub fn span(reader: &mut Reader, at: &At<'_>, from: Span, to: Span) -> Option<Span> {
    let text = reader.text(at)?;
    let expected = format!("{from} to {to}");
    let span: Span = match text.parse() {
        Ok(span) => span,
        Err(error) => {
            reader.report(at, "bad-duration", format!("`{}` {error}", shown(text)), &expected);
            return None;
        }
    };
    if span < from || span > to {
        reader.report(at, "out-of-bounds", format!("`{text}` is out of bounds"), &expected);
        return None;
    }
    Some(span)
}

/// The name of a queue; whether it exists is checked when all queues are known.
pub fn queue(reader: &mut Reader, at: &At<'_>) -> Option<QueueId> {
    reader.parsed(at, QueueId::parse)
}

/// One name or a list of names.
pub fn names(reader: &mut Reader, at: &At<'_>, max: usize) -> BTreeSet<Arc<str>> {
    let items = reader.list(at);
    items.iter().filter_map(|item| reader.word(item, max).map(Arc::from)).collect()
}
