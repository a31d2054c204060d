//! Every name of the public contract is explained where it stands.

use super::{Finding, Rule, check_each, files};

const RULE: Rule = Rule {
    name: "every service, rpc, message, field, enum and enum value in proto/handoff has a comment directly above it",
    because: "the comments are the API reference: they reach every generated client and every reader of the reflection, \
              and what is not said there is guessed",
    exceptions: EXCEPTIONS,
};

const EXCEPTIONS: &[(&str, &str)] = &[];

/// Statements that declare nothing to explain.
const PLAIN: &[&str] = &["syntax", "package", "import", "option", "reserved", "extensions", "oneof", "extend"];

#[test]
fn every_name_of_the_public_contract_is_explained() {
    RULE.enforce(check_each(&files("proto/handoff", "proto"), check));
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    statements(text)
        .into_iter()
        .filter(|(_, statement)| !PLAIN.contains(&statement.split_whitespace().next().unwrap_or("")))
        .filter(|(line, _)| !is_comment(line.checked_sub(2).map(|above| lines[above])))
        .map(|(line, statement)| Finding::new(path, line, format!("`{}` has no comment", name(&statement))))
        .collect()
}

fn is_comment(line: Option<&str>) -> bool {
    line.map(str::trim).is_some_and(|line| line.starts_with("//") || line.ends_with("*/"))
}

/// The declared name: what stands before `=`, or second in `message X`.
fn name(statement: &str) -> &str {
    let before = statement.split(['=', '(', '[']).next().unwrap_or(statement);
    before.split_whitespace().last().unwrap_or(statement)
}

/// Each statement's first line and text up to its `;` or `{`. Braces inside `[...]` and `option ... = {...}` are values.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut statement = String::new();
    let mut start = 0;
    let mut nested = 0;
    for (line, code) in text.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line))) {
        for this in code.chars().chain(['\n']) {
            let in_value = nested > 0 || statement.starts_with("option");
            match this {
                '[' => nested += 1,
                ']' => nested -= 1,
                '{' if in_value => nested += 1,
                '}' if nested > 0 => nested -= 1,
                _ => {}
            }
            let ends = nested == 0 && (this == ';' || (!in_value && matches!(this, '{' | '}')));
            if ends {
                let ended = std::mem::take(&mut statement);
                found.extend((!ended.trim().is_empty()).then(|| (start, ended.trim().to_owned())));
            } else if !(statement.is_empty() && this.is_whitespace()) {
                start = if statement.is_empty() { line } else { start };
                statement.push(this);
            }
        }
    }
    found
}

/// The line up to its `//`, unless that stands in a string; block comments only fill whole lines here.
fn without_comment(line: &str) -> &str {
    let trimmed = line.trim_start();
    if trimmed.starts_with("/*") || trimmed.starts_with('*') {
        return "";
    }
    let outside = |at: &usize| line[..*at].matches('"').count().is_multiple_of(2);
    line.match_indices("//").map(|(at, _)| at).find(outside).map_or(line, |at| &line[..at])
}

#[test]
fn an_unexplained_name_is_found() {
    let text = r#"syntax = "proto3";
service TicketService {
  // Creates.
  rpc CreateTicket(A) returns (B) {
    option (x) = { get: "/v1/a" };
  }
  rpc GetTicket(A) returns (B);
}
// Asks.
message A {
  // The name.
  string name = 1 [
    (behavior) = REQUIRED,
    (reference) = { type: "a" }
  ];

  string text = 2; // A trailing comment does not reach every generator.
  oneof which {
    map<string, string> labels = 3;
  }
  reserved 4;
}
/* Kinds. */
enum Kind {
  KIND_UNSPECIFIED = 0;
}
message Empty {}
"#;
    let found: Vec<_> = check("proto/handoff/v1/a.proto", text).into_iter().map(|it| (it.line, it.what)).collect();
    let expected =
        [(2, "TicketService"), (7, "GetTicket"), (17, "text"), (19, "labels"), (25, "KIND_UNSPECIFIED"), (27, "Empty")];
    assert_eq!(found, expected.map(|(line, name)| (line, format!("`{name}` has no comment"))));
}
