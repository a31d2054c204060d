//! Names that say nothing: words that fit any type fit none.

use super::source::{Source, identifier};
use super::{Finding, Rule, check_each, files};

const RULE: Rule = Rule {
    name: "no Manager, Helper, Util, Handler, Processor, Common, Data or Info in the name of a type or module",
    because: "these words fit everything; use the domain's noun or the verb, and where no name comes the boundary is wrong",
    exceptions: EXCEPTIONS,
};

const EXCEPTIONS: &[(&str, &str)] = &[];

const BANNED: &[&str] = &["manager", "helper", "util", "handler", "processor", "common", "data", "info"];

/// Names that are somebody else's, or words of the product: an agent who works on a ticket is its handler.
const ALLOWED: &[&str] = &[
    "ErrorInfo",   // google.rpc, the machine-readable reason of an error
    "RetryInfo",   // google.rpc, when to try again
    "ConnectInfo", // tonic, what is known of a connection
    "HandlerLost", // the ticket's handler went away
    "HandlerLostDecision",
];

const RUST_KINDS: &[&str] = &["struct", "enum", "trait", "type", "union", "mod"];
const PROTO_KINDS: &[&str] = &["message", "enum", "service"];

#[test]
fn names_of_types_and_modules_say_what_they_are() {
    let mut all = files("src", "rs");
    all.extend(files("tests", "rs"));
    all.extend(files("proto/handoff", "proto"));
    RULE.enforce(check_each(&all, check));
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let source = Source::read(path, text);
    let kinds = if path.ends_with(".proto") { PROTO_KINDS } else { RUST_KINDS };
    let stem = path.rsplit('/').next().unwrap_or(path).split('.').next().unwrap_or(path);
    let mut named = vec![(1, "file", stem)];
    for kind in kinds {
        for at in source.find_word(kind) {
            let name = identifier(&source.code[at + kind.len()..]);
            named.push((source.line_of(at), kind, name));
        }
    }
    named
        .into_iter()
        .filter(|(_, _, name)| !ALLOWED.contains(name))
        .filter_map(|(line, kind, name)| {
            let word = words(name).into_iter().find(|word| is_banned(word))?;
            Some(Finding::new(path, line, format!("`{word}` in the name of {kind} `{name}`")))
        })
        .collect()
}

/// `HTTPErrorInfo` and `http_error_info` are both http, error, info.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let after_small = at > 0 && letters[at - 1].is_lowercase();
        let before_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if *letter == '_' || (letter.is_uppercase() && (after_small || before_small)) {
            words.push(String::new());
        }
        if *letter != '_' {
            words.last_mut().expect("never empty").extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_banned(word: &str) -> bool {
    BANNED.contains(&word) || word.strip_suffix('s').is_some_and(|singular| BANNED.contains(&singular))
}

#[test]
fn a_name_that_says_nothing_is_found() {
    let text = "struct TicketManager;\nmod utils;\nenum AgentInfo {}\ntype HTTPHandler = u8;";
    let whats: Vec<_> = check("src/x.rs", text).into_iter().map(|finding| (finding.line, finding.what)).collect();
    let expected = [
        (1, "`manager` in the name of struct `TicketManager`"),
        (3, "`info` in the name of enum `AgentInfo`"),
        (4, "`handler` in the name of type `HTTPHandler`"),
        (2, "`utils` in the name of mod `utils`"),
    ];
    assert_eq!(whats, expected.map(|(line, what)| (line, what.to_owned())));
    assert_eq!(check("src/store/helpers.rs", "").len(), 1);
    assert_eq!(check("proto/handoff/v1/x.proto", "message TicketData {}").len(), 1);
}

#[test]
fn a_word_counts_only_whole() {
    let text = "struct Informed;\nstruct Database;\nmod commonly;\nstruct ErrorInfo;\nfn helper() {}\nlet data = 1;";
    assert!(check("src/x.rs", text).is_empty());
}
