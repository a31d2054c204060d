//! Reads typed values from a tree and collects every problem on the way: a value that cannot be used is reported and left out,
//! and reading goes on.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};

use super::scalar::{Money, money};
use super::{Key, Node, Place, Value};

/// Something in a document that cannot be used as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable, lower case with `-`.
    pub rule: &'static str,
    /// Where in the document, e.g. `queues.billing.offer_timeout`. Empty: the whole.
    pub path: String,
    pub place: Place,
    pub message: String,
    /// What would be right. Empty: said in the message.
    pub expected: String,
}

/// A node and the way to it.
#[derive(Clone, Debug)]
pub struct At<'n> {
    pub path: String,
    pub node: &'n Node,
}

/// A mapping whose keys are known and stand once each.
#[derive(Clone, Debug)]
pub struct Fields<'n> {
    path: String,
    entries: Vec<(&'n Key, &'n Node)>,
}

#[derive(Debug, Default)]
pub struct Reader {
    pub problems: Vec<Problem>,
}

impl<'n> At<'n> {
    pub fn root(node: &'n Node) -> At<'n> {
        At { path: String::new(), node }
    }

    pub fn is_null(&self) -> bool {
        self.node.value == Value::Null
    }

    fn item(&self, index: usize, node: &'n Node) -> At<'n> {
        At { path: format!("{}[{index}]", self.path), node }
    }

    fn field(&self, key: &Key, node: &'n Node) -> At<'n> {
        At { path: join(&self.path, &key.name), node }
    }
}

impl<'n> Fields<'n> {
    pub fn get(&self, name: &str) -> Option<At<'n>> {
        let (key, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        Some(At { path: join(&self.path, &key.name), node })
    }

    /// The place of the key itself.
    pub fn key(&self, name: &str) -> Option<&'n Key> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(key, _)| *key)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Reader {
    pub fn report(&mut self, at: &At<'_>, rule: &'static str, message: String, expected: &str) {
        self.report_at(at.node.place, &at.path, rule, message, expected);
    }

    pub fn report_at(&mut self, place: Place, path: &str, rule: &'static str, message: String, expected: &str) {
        self.problems.push(Problem { rule, path: path.to_owned(), place, message, expected: expected.to_owned() });
    }

    /// A mapping with some of the known keys; null is empty. Unknown keys are reported with the nearest known one.
    pub fn fields<'n>(&mut self, at: &At<'n>, known: &[&str]) -> Fields<'n> {
        let mut fields = Fields { path: at.path.clone(), entries: Vec::new() };
        for (key, value) in self.entries(at) {
            if known.contains(&key.name.as_str()) {
                fields.entries.push((key, value.node));
            } else {
                let message = format!("unknown key `{}`{}", shown(&key.name), did_you_mean(&key.name, known));
                self.report_at(key.place, &value.path, "unknown-key", message, &one_of_text(known));
            }
        }
        fields
    }

    /// A mapping with keys of the author's choice, each once; null is empty.
    pub fn entries<'n>(&mut self, at: &At<'n>) -> Vec<(&'n Key, At<'n>)> {
        let entries = match &at.node.value {
            Value::Map(entries) => entries,
            Value::Null => return Vec::new(),
            Value::Scalar(_) | Value::List(_) => {
                self.wrong_kind(at, "a mapping (`key: value`)");
                return Vec::new();
            }
        };
        let mut seen = BTreeSet::new();
        let mut once = Vec::new();
        for (key, value) in entries {
            let field = at.field(key, value);
            if seen.insert(key.name.as_str()) {
                once.push((key, field));
            } else {
                let message = format!("`{}` stands here a second time", shown(&key.name));
                self.report_at(key.place, &field.path, "duplicate-key", message, "each key once");
            }
        }
        once
    }

    /// A list, or one value for a list of one; null is empty.
    pub fn list<'n>(&mut self, at: &At<'n>) -> Vec<At<'n>> {
        match &at.node.value {
            Value::List(items) => items.iter().enumerate().map(|(index, node)| at.item(index, node)).collect(),
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::Map(_) => vec![at.clone()],
        }
    }

    /// Text as written; empty text counts.
    pub fn text<'n>(&mut self, at: &At<'n>) -> Option<&'n str> {
        match &at.node.value {
            Value::Scalar(text) => Some(text),
            Value::Null => {
                self.report(at, "missing-value", "no value is given".to_owned(), "a value, or leave the key out");
                None
            }
            Value::List(_) | Value::Map(_) => {
                self.wrong_kind(at, "a single value");
                None
            }
        }
    }

    /// Text of 1 to `max` characters without control characters.
    pub fn word<'n>(&mut self, at: &At<'n>, max: usize) -> Option<&'n str> {
        let text = self.text(at)?;
        let fits = (1..=max).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if !fits || text.trim() != text {
            let message = format!("`{}` cannot be used as a name", shown(text));
            self.report(at, "bad-name", message, &format!("1 to {max} characters without blanks at the ends"));
            return None;
        }
        Some(text)
    }

    /// A whole number within the bounds.
    pub fn whole(&mut self, at: &At<'_>, from: u32, to: u32) -> Option<u32> {
        let text = self.text(at)?;
        let expected = format!("a whole number from {from} to {to}");
        match text.parse::<i128>() {
            Ok(number) if (i128::from(from)..=i128::from(to)).contains(&number) => u32::try_from(number).ok(),
            Ok(number) => {
                self.report(at, "out-of-bounds", format!("{number} is out of bounds"), &expected);
                None
            }
            Err(_) => {
                self.report(at, "wrong-type", format!("`{}` is not a whole number", shown(text)), &expected);
                None
            }
        }
    }

    pub fn flag(&mut self, at: &At<'_>) -> Option<bool> {
        self.one_of(at, &[("true", true), ("false", false)])
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&mut self, at: &At<'_>, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(at)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("`{}` is not known here{}", shown(text), did_you_mean(text, &known));
            self.report(at, "unknown-word", message, &one_of_text(&known));
        }
        found
    }

    /// Text that a parser accepts.
    pub fn parsed<T, E: Display>(&mut self, at: &At<'_>, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(at)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.report(at, "bad-name", format!("`{}` {error}", shown(text)), "");
                None
            }
        }
    }

    pub fn money(&mut self, at: &At<'_>) -> Option<Money> {
        let text = self.text(at)?;
        let found = money(text);
        if found.is_none() {
            let message = format!("`{}` is not an amount of money", shown(text));
            self.report(
                at,
                "bad-amount",
                message,
                "a number with up to six decimals and a currency, e.g. `137.50 EUR`",
            );
        }
        found
    }

    /// A language tag, in lower case.
    pub fn language(&mut self, at: &At<'_>) -> Option<String> {
        let text = self.text(at)?;
        let parts_fit = text.split('-').all(|part| (1..=8).contains(&part.len()));
        let letters_fit = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let begins = text
            .split('-')
            .next()
            .is_some_and(|first| first.len() >= 2 && first.bytes().all(|byte| byte.is_ascii_alphabetic()));
        if parts_fit && letters_fit && begins && text.len() <= 35 {
            return Some(text.to_ascii_lowercase());
        }
        let message = format!("`{}` is not a language tag", shown(text));
        self.report(at, "bad-language", message, "BCP 47, e.g. `de` or `de-at`");
        None
    }

    pub fn wrong_kind(&mut self, at: &At<'_>, expected: &str) {
        let found = match &at.node.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        self.report(at, "wrong-type", format!("found {found}"), expected);
    }
}

fn join(path: &str, key: &str) -> String {
    let key = shown(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Text of a document as a message repeats it: on one line, and not all of it.
pub fn shown(text: &str) -> String {
    let cut: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().count() > 64 { format!("{cut}...") } else { cut }
}

pub fn one_of_text(known: &[&str]) -> String {
    format!("one of {}", known.join(", "))
}

/// `; did you mean ...?` where one of the known words is near enough to be a slip of the pen.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    let mut text = String::new();
    let near = |candidate: &&&str| {
        let allowed = (word.len().max(candidate.len()) / 3).clamp(1, 3);
        // A longer word is near none, and not worth the comparison.
        word.len() <= 64 && distance(word, candidate) <= allowed
    };
    if let Some(nearest) = known.iter().filter(near).min_by_key(|candidate| distance(word, candidate)) {
        write!(text, "; did you mean `{nearest}`?").expect("a string takes all text");
    }
    text
}

/// Letters to insert, remove or replace (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, against) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *against);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
