//! YAML as a tree with places: what people write by hand (policies, desk documents) is read field by field from it, so that every
//! mistake is reported at once, each with its line, column and path.
//!
//! Knows nothing of what the fields mean. Bounded: size, depth and number of nodes have limits, and anchors are refused, so that
//! no document unfolds into more than was written. Start at [`read`]; [`reader::Reader`] reads typed values.

pub mod reader;
pub mod scalar;

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Spanned};

/// What a document may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub bytes: usize,
    pub depth: usize,
    pub nodes: usize,
}

/// Line and column, in characters, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    /// As written, without quotes: `007` stays `007`.
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the document; a key may stand twice.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub place: Place,
}

/// Text that is no YAML, or more than the bounds allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    /// Zero: the document as a whole.
    pub place: Place,
    pub message: String,
}

/// Reads one document. A text without one is [`Value::Null`].
pub fn read(source: &str, bounds: Bounds) -> Result<Node, Malformed> {
    if source.len() > bounds.bytes {
        let message = format!("the document has {} bytes; at most {} are read", source.len(), bounds.bytes);
        return Err(Malformed { place: Place::default(), message });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_aliases: 0,
            max_anchors: 0,
            max_depth: bounds.depth,
            flow_nesting_limit: bounds.depth,
            max_documents: 1,
            max_nodes: bounds.nodes,
            max_events: bounds.nodes.saturating_mul(3),
            max_merge_keys: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        null_as_string: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        emit_comments: false,
        with_snippet: false,
    };
    let written = serde_saphyr::from_str_with_options::<Option<Written>>(source, options).map_err(malformed)?;
    let nothing = Node { place: Place { line: 1, column: 1 }, value: Value::Null };
    Ok(written.map_or(nothing, |written| written.into_node(source)))
}

fn malformed(error: serde_saphyr::Error) -> Malformed {
    let place = error.location().map(place_of).unwrap_or_default();
    let message = match &error {
        serde_saphyr::Error::Budget { breach, .. } => match breach {
            BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => {
                "anchors (`&`) and aliases (`*`) are not read: write the value out".to_owned()
            }
            BudgetBreach::Documents { .. } => "only one document is read: remove the second `---`".to_owned(),
            BudgetBreach::Depth { .. } => "nested too deeply".to_owned(),
            // The library's list grows; what remains are sizes.
            _ => "the document is too large".to_owned(),
        },
        _ => {
            let text = error.to_string();
            let ends = [format!(" at line {}, column {}", place.line, place.column), ": ".to_owned()];
            ends.iter().fold(text.as_str(), |text, end| text.strip_suffix(end.as_str()).unwrap_or(text)).to_owned()
        }
    };
    Malformed { place, message }
}

fn place_of(location: serde_saphyr::Location) -> Place {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Place { line: number(location.line()), column: number(location.column()) }
}

/// A node as the library hands it over. It turns plain scalars into numbers and booleans; their text is taken from the source.
struct Written {
    place: Place,
    bytes: std::ops::Range<usize>,
    value: WrittenValue,
}

enum WrittenValue {
    Null,
    /// A number or a boolean, as the library would spell it.
    Inferred(String),
    Text(String),
    List(Vec<Written>),
    Map(Vec<(Key, Written)>),
}

impl Written {
    fn into_node(self, source: &str) -> Node {
        let value = match self.value {
            WrittenValue::Null => Value::Null,
            WrittenValue::Inferred(spelt) => {
                Value::Scalar(source.get(self.bytes).map(|text| text.trim().to_owned()).unwrap_or(spelt))
            }
            WrittenValue::Text(text) => Value::Scalar(text),
            WrittenValue::List(items) => Value::List(items.into_iter().map(|item| item.into_node(source)).collect()),
            WrittenValue::Map(entries) => {
                Value::Map(entries.into_iter().map(|(key, value)| (key, value.into_node(source))).collect())
            }
        };
        Node { place: self.place, value }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Written, D::Error> {
        let spanned = Spanned::<WrittenValue>::deserialize(deserializer)?;
        let span = spanned.referenced.span();
        let number = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
        // An unknown span is out of any source.
        let start = number(span.byte_offset()).unwrap_or(usize::MAX);
        let end = start.saturating_add(number(span.byte_len()).unwrap_or(usize::MAX));
        Ok(Written { place: place_of(spanned.referenced), bytes: start..end, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for WrittenValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WrittenValue, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = WrittenValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_bool<E>(self, value: bool) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Inferred(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Inferred(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Inferred(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Inferred(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Inferred(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Inferred(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Null)
    }

    fn visit_none<E>(self) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<WrittenValue, D::Error> {
        WrittenValue::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<WrittenValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Written>()? {
            list.push(item);
        }
        Ok(WrittenValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<WrittenValue, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let place = place_of(key.referenced);
            map.push((Key { name: key.value, place }, entries.next_value()?));
        }
        Ok(WrittenValue::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1_000, depth: 8, nodes: 100 };

    fn scalar<'n>(node: &'n Node, key: &str) -> (&'n str, u32, u32) {
        let Value::Map(entries) = &node.value else { panic!("no mapping: {node:?}") };
        let (_, found) = entries.iter().find(|(entry, _)| entry.name == key).expect("the key is there");
        let Value::Scalar(text) = &found.value else { panic!("no scalar: {found:?}") };
        (text, found.place.line, found.place.column)
    }

    fn refused(source: &str) -> (u32, u32, String) {
        let error = read(source, BOUNDS).expect_err(source);
        (error.place.line, error.place.column, error.message)
    }

    #[test]
    fn scalars_keep_their_spelling_and_their_place() {
        let node = read("a: 1.10\nb:   007 # why\n'ü': {c: 1}\nd: yes\ne: 0x1F\nf: 1e999\ng: true\nh: 'x'\n", BOUNDS);
        let node = node.expect("it is YAML");
        assert_eq!(scalar(&node, "a"), ("1.10", 1, 4));
        assert_eq!(scalar(&node, "b"), ("007", 2, 6));
        assert_eq!(scalar(&node, "d"), ("yes", 4, 4));
        assert_eq!(scalar(&node, "e"), ("0x1F", 5, 4));
        assert_eq!(scalar(&node, "f"), ("1e999", 6, 4));
        assert_eq!(scalar(&node, "g"), ("true", 7, 4));
        assert_eq!(scalar(&node, "h"), ("x", 8, 4));
    }

    #[test]
    fn a_text_without_a_document_is_null() {
        for source in ["", "# only a comment\n", "---\n", "null"] {
            assert_eq!(read(source, BOUNDS).map(|node| node.value), Ok(Value::Null), "{source:?}");
        }
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        assert_eq!(refused("a: [1"), (1, 4, "unclosed bracket '['".to_owned()));
        assert_eq!((refused("a: 1\nb: c: d").0, refused("a: 1\nb: c: d").1), (2, 5));
        assert_eq!(refused("a: \"x").2, "unclosed quote");
        assert_eq!(refused("a: !foo x").2, "unsupported tag `!foo`");
    }

    #[test]
    fn a_document_unfolds_into_no_more_than_was_written() {
        assert!(refused("a: &x 1\nb: *x").2.starts_with("anchors"));
        assert!(refused("a: 1\n---\nb: 2").2.starts_with("only one document"));
        assert!(refused(&"[".repeat(400)).0 == 1);
        assert!(refused(&"a: 1\n".repeat(190)).2.contains("too large"));
        assert!(refused(&" ".repeat(1_001)).2.contains("1001 bytes"));
    }
}
