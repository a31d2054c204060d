//! A Rust file read just well enough for the rules: code apart from comments and strings, and which lines are tests.
//!
//! Not a parser: it knows tokens and braces, nothing of grammar. What it cannot know (macros that build names, items
//! behind `include!`) the rules do not see.

use std::iter;
use std::ops::Range;

/// A file with comments, strings and characters blanked out; every line keeps its number and its width in bytes.
pub(super) struct Source {
    pub(super) code: String,
    pub(super) strings: Vec<Literal>,
    /// Byte ranges of `code` behind `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
}

/// The text between the quotes of a string literal, escapes as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) line: usize,
    pub(super) text: String,
}

impl Source {
    /// Reads a file; one that is `tests.rs`, or lies in a folder `tests`, is test code from its first byte.
    pub(super) fn read(path: &str, text: &str) -> Source {
        let (code, strings) = blank(text);
        let only_tests = path.ends_with("/tests.rs") || path.contains("/tests/") || path.starts_with("tests/");
        let tests = if only_tests { iter::once(0..code.len()).collect() } else { test_ranges(&code) };
        Source { code, strings, tests }
    }

    pub(super) fn is_test(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    pub(super) fn line_of(&self, offset: usize) -> usize {
        line_of(&self.code, offset)
    }

    /// Lines that are not tests, blank ones and comments included.
    pub(super) fn lines_of_code(&self) -> usize {
        let tested = |range: &Range<usize>| self.code[range.clone()].lines().count();
        self.code.lines().count() - self.tests.iter().map(tested).sum::<usize>()
    }

    /// Where `needle` stands in the code as a whole word, or a whole path such as `tokio::spawn`.
    pub(super) fn find_word(&self, needle: &str) -> Vec<usize> {
        let part_of_word = |text: char| text.is_alphanumeric() || text == '_';
        self.code
            .match_indices(needle)
            .map(|(at, _)| at)
            .filter(|at| {
                let starts = !self.code[..*at].ends_with(part_of_word);
                let ends = !self.code[at + needle.len()..].starts_with(part_of_word);
                starts && ends
            })
            .collect()
    }
}

/// The identifier that `code` starts with, after white space; empty if there is none.
pub(super) fn identifier(code: &str) -> &str {
    let code = code.trim_start();
    let end = code.find(|this: char| !(this.is_alphanumeric() || this == '_')).unwrap_or(code.len());
    &code[..end]
}

/// The offset just past the brace that closes the one at `open`, or the end of the text.
pub(super) fn end_of_block(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

fn line_of(code: &str, offset: usize) -> usize {
    code[..offset].matches('\n').count() + 1
}

/// From each `#[cfg(test)]` to the end of the item it stands on: its block, or its semicolon.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let inside_another = ranges.last().is_some_and(|range| range.contains(&start));
        if inside_another {
            continue;
        }
        let end = match code[start..].find(['{', ';']).map(|at| start + at) {
            Some(open) if code[open..].starts_with('{') => end_of_block(code, open),
            Some(semicolon) => semicolon + 1,
            None => code.len(),
        };
        ranges.push(start..end);
    }
    ranges
}

/// The code with comments and literals blanked, and the string literals.
fn blank(text: &str) -> (String, Vec<Literal>) {
    let mut blanked = String::with_capacity(text.len());
    let mut strings = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let after_word = text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let end = at + token_length(&text[at..], after_word);
        let token = &text[at..end];
        if end - at == next.len_utf8() {
            blanked.push(next);
        } else {
            blanked.extend(token.chars().flat_map(|this| {
                let kept = if this == '\n' { '\n' } else { ' ' };
                iter::repeat_n(kept, this.len_utf8())
            }));
            if let Some(inner) = string_content(token) {
                strings.push(Literal { line: line_of(text, at), text: inner.to_owned() });
            }
        }
        at = end;
    }
    (blanked, strings)
}

/// The length of the comment or literal that `rest` starts with, else of its first character.
fn token_length(rest: &str, after_word: bool) -> usize {
    let single = rest.chars().next().map_or(0, char::len_utf8);
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    if rest.starts_with('\'') {
        return character_length(rest).unwrap_or(single);
    }
    let raw = rest.trim_start_matches(['b', 'c']).strip_prefix('r').filter(|_| !after_word);
    if let Some(opening) = raw {
        let hashes = opening.len() - opening.trim_start_matches('#').len();
        if opening[hashes..].starts_with('"') {
            let closing = format!("\"{}", "#".repeat(hashes));
            let body = rest.len() - opening.len() + hashes + 1;
            return rest[body..].find(&closing).map_or(rest.len(), |found| body + found + closing.len());
        }
    }
    single
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, this) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if this == '\\' {
            escaped = true;
        } else if this == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// A character literal's length, or None where the quote begins a lifetime.
fn character_length(rest: &str) -> Option<usize> {
    let mut inner = rest.chars().skip(1);
    let first = inner.next()?;
    let closed = inner.next() == Some('\'');
    (first == '\\' || closed).then(|| quoted_length(rest, '\''))
}

fn string_content(token: &str) -> Option<&str> {
    let unprefixed = token.trim_start_matches(['b', 'c', 'r']).trim_start_matches('#');
    let inner = unprefixed.strip_prefix('"')?.trim_end_matches('#');
    Some(inner.strip_suffix('"').unwrap_or(inner))
}

#[test]
fn comments_and_literals_are_blanked_and_lines_kept() {
    let text = "a // tokio::spawn\n/* b /* c */ d */ e \"f \\\" g\" 'h' '\\'' r#\"i \" j\"# 'k: &'static str b\"l\"";
    let source = Source::read("src/x.rs", text);
    assert_eq!(source.code.len(), text.len());
    assert_eq!(source.code.split_whitespace().collect::<Vec<_>>(), ["a", "e", "'k:", "&'static", "str", "b"]);
    let strings: Vec<_> = source.strings.iter().map(|literal| (literal.line, literal.text.as_str())).collect();
    assert_eq!(strings, [(2, "f \\\" g"), (2, "i \" j"), (2, "l")]);
}

#[test]
fn test_code_is_the_item_behind_its_attribute_and_no_more() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\n";
    let source = Source::read("src/x.rs", text);
    let is_test = |needle: &str| source.is_test(source.find_word(needle)[0]);
    assert_eq!(["a", "b", "c", "more"].map(is_test), [false, true, false, true]);
    assert_eq!(source.lines_of_code(), 2);
    assert_eq!(Source::read("src/x/tests.rs", text).lines_of_code(), 0);
}

#[test]
fn words_are_found_whole() {
    let source = Source::read("src/x.rs", "tokio::spawn(a); tokio::spawn_blocking(b); mytokio::spawn(c)");
    assert_eq!(source.find_word("tokio::spawn"), [0]);
}
