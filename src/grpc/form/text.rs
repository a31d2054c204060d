//! Texts: their bounds, and the characters that no log, terminal or telephone display should meet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Form;

/// Characters of a code, a name of a skill, a device and the like.
pub const SHORT: usize = 63;
/// Entries of a map of labels or attributes.
pub const LABELS: usize = 100;
/// Bytes of a label's key or value.
const LABEL_BYTES: usize = 256;
/// Bytes of all of them.
const LABELS_BYTES: usize = 32 * 1024;
/// RFC 5646 asks implementations for no more.
const LANGUAGE_BYTES: usize = 35;

impl Form {
    /// One line of at most 63 characters.
    pub fn short(&mut self, field: &str, text: &str) -> Arc<str> {
        let count = text.chars().count();
        if count > SHORT {
            self.refuse(field, format!("has {count} characters; at most {SHORT} are allowed"));
        }
        self.one_line(field, text);
        Arc::from(text)
    }

    /// As [`Form::short`], and not empty.
    pub fn named(&mut self, field: &str, text: &str) -> Option<Arc<str>> {
        if text.is_empty() {
            self.refuse(field, format!("is required, 1 to {SHORT} characters"));
            return None;
        }
        Some(self.short(field, text))
    }

    /// One line of at most so many bytes.
    pub fn line(&mut self, field: &str, text: &str, bytes: usize) -> Arc<str> {
        self.bytes(field, text, bytes);
        self.one_line(field, text);
        Arc::from(text)
    }

    /// Text of several lines, at most so many bytes.
    pub fn prose(&mut self, field: &str, text: &str, bytes: usize) -> Arc<str> {
        self.bytes(field, text, bytes);
        self.printable(field, text);
        Arc::from(text)
    }

    /// Text of several lines, at most so many characters.
    pub fn note(&mut self, field: &str, text: &str, characters: usize) -> Arc<str> {
        let count = text.chars().count();
        if count > characters {
            self.refuse(field, format!("has {count} characters; at most {characters} are allowed"));
        }
        self.printable(field, text);
        Arc::from(text)
    }

    /// BCP 47 in lower case; empty: none.
    pub fn language(&mut self, field: &str, text: &str) -> Arc<str> {
        let subtag =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let primary = text.split('-').next().unwrap_or("");
        let begins_well = primary.len() >= 2 && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
        let good = text.len() <= LANGUAGE_BYTES && begins_well && text.split('-').all(subtag);
        if !text.is_empty() && !good {
            self.refuse(field, "must be a BCP 47 language tag, e.g. `de` or `de-AT`");
        }
        Arc::from(text.to_ascii_lowercase().as_str())
    }

    /// Labels or attributes.
    pub fn labels(&mut self, field: &str, labels: &BTreeMap<String, String>) -> BTreeMap<Arc<str>, Arc<str>> {
        if labels.len() > LABELS {
            self.refuse(field, format!("has {} entries; at most {LABELS} are allowed", labels.len()));
        }
        let total: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
        if total > LABELS_BYTES {
            self.refuse(field, format!("takes {total} bytes; at most {LABELS_BYTES} are allowed"));
        }
        for (key, value) in labels {
            if key.is_empty() {
                self.refuse(field, "has an entry without a key");
            }
            if key.len() > LABEL_BYTES {
                self.refuse(field, format!("has a key of {} bytes; at most {LABEL_BYTES} are allowed", key.len()));
            } else {
                self.one_line(field, key);
            }
            let path = format!("{field}[\"{}\"]", key.escape_debug().take(SHORT).collect::<String>());
            self.bytes(&path, value, LABEL_BYTES);
            self.printable(&path, value);
        }
        labels.iter().map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str()))).collect()
    }

    fn bytes(&mut self, field: &str, text: &str, bytes: usize) {
        if text.len() > bytes {
            self.refuse(field, format!("has {} bytes; at most {bytes} are allowed", text.len()));
        }
    }

    fn one_line(&mut self, field: &str, text: &str) {
        if let Some((at, found)) = text.char_indices().find(|(_, found)| found.is_control()) {
            self.refuse(field, format!("has the control character U+{:04X} at byte {at}", u32::from(found)));
        }
    }

    fn printable(&mut self, field: &str, text: &str) {
        let control = |found: char| found.is_control() && !matches!(found, '\n' | '\r' | '\t');
        if let Some((at, found)) = text.char_indices().find(|(_, found)| control(*found)) {
            self.refuse(field, format!("has the control character U+{:04X} at byte {at}", u32::from(found)));
        }
    }
}
