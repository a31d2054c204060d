//! Resources as the document spells them: one canonical text per field, empty for the default. What differs in text differs; what
//! is written is read as the same resource.

/// A field of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its key in the document.
    pub key: &'static str,
    /// Its name in an update mask.
    pub mask: &'static str,
    /// YAML on one line. Empty: the default.
    pub value: String,
}

impl Field {
    pub fn new(key: &'static str, mask: &'static str, value: String) -> Field {
        Field { key, mask, value }
    }
}

pub trait Resource {
    fn name(&self) -> &str;
    /// All fields that the document may state, always in the same order.
    fn fields(&self) -> Vec<Field>;
}

/// A field that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: &'static str,
    pub mask: &'static str,
    pub old: String,
    pub new: String,
}

/// What has to change on `present` so that it becomes `wanted`.
pub fn changes<T: Resource>(present: &T, wanted: &T) -> Vec<Change> {
    let pairs = present.fields().into_iter().zip(wanted.fields());
    let differing = pairs.filter(|(old, new)| old.value != new.value);
    differing.map(|(old, new)| Change { key: new.key, mask: new.mask, old: old.value, new: new.value }).collect()
}

/// A scalar, quoted where it could be read as something else. Empty text is the default and is not written.
pub fn scalar(text: &str) -> String {
    if text.is_empty() { String::new() } else { quoted(text) }
}

pub fn quoted(text: &str) -> String {
    let letters = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/' | '+' | '@' | ' ');
    let begins = text.starts_with(char::is_alphabetic);
    // Words that other readers of YAML take for booleans or nothing.
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let special = words.contains(&text.to_ascii_lowercase().as_str());
    if begins && text.chars().all(letters) && !text.ends_with(' ') && !special {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Line breaks and marks that a reader of YAML would fold or drop.
            '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(letter)))
            }
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// `[a, b]`, empty for nothing.
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    if items.is_empty() { String::new() } else { format!("[{}]", items.join(", ")) }
}

/// `{a: 1, b: 2}`, empty for nothing. A value that is empty is left out: the key alone.
pub fn map(entries: impl IntoIterator<Item = (String, String)>) -> String {
    let pair =
        |(key, value): (String, String)| if value.is_empty() { format!("{key}:") } else { format!("{key}: {value}") };
    let entries: Vec<String> = entries.into_iter().map(pair).collect();
    if entries.is_empty() { String::new() } else { format!("{{{}}}", entries.join(", ")) }
}

/// A resource in block style: its id, and below it the fields that are not the default.
pub fn block<T: Resource>(resource: &T, indent: usize) -> String {
    let id = resource.name().rsplit('/').next().unwrap_or_default();
    let fields: Vec<Field> = resource.fields().into_iter().filter(|field| !field.value.is_empty()).collect();
    let mut text = format!("{:indent$}{}:\n", "", quoted(id));
    for field in fields {
        text.push_str(&format!("{:indent$}  {}: {}\n", "", field.key, field.value));
    }
    text
}

/// Text of several lines under a key, exactly as it is.
pub fn literal(key: &str, text: &str, indent: usize) -> String {
    let plain =
        |letter: char| !letter.is_control() && !matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    let writable = text.chars().all(|letter| letter == '\n' || letter == '\t' || plain(letter));
    // A block cannot end exactly after blanks alone, nor hold what is not printable.
    if !writable || text.trim().is_empty() {
        return format!("{:indent$}{key}: {}\n", "", quoted(text));
    }
    let keep = match (text.ends_with('\n'), text.ends_with("\n\n")) {
        (false, _) => "-",
        (true, false) => "",
        (true, true) => "+",
    };
    let mut block = format!("{:indent$}{key}: |2{keep}\n", "");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        // Lines without text get no blanks.
        let pad = if line.is_empty() { 0 } else { indent + 2 };
        block.push_str(&format!("{:pad$}{line}\n", ""));
    }
    block
}
