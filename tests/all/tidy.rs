//! The house rules that no compiler checks, read off the tree itself.
//!
//! Each rule is a pure function over (path, text) and returns what it found; a `#[test]` beside it runs it over the tree,
//! and others show it small planted faults, so that a rule that went blind fails too. A message gives file and line, the
//! rule, and why the rule exists. Start with `source.rs` (how a file is read); then each rule stands alone.
//!
//! An exception is a line in the rule's own `EXCEPTIONS`, with a reason, in the commit that needs it. One that excuses
//! nothing any more is itself a failure.

mod effects;
mod layers;
mod names;
mod protos;
mod sizes;
mod snippets;
mod source;
mod sql;

use std::fs;
use std::path::Path;

/// What a rule found: where, and what exactly.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1; 1 where the whole file is meant.
    line: usize,
    what: String,
}

/// One house rule, as its failure message states it.
struct Rule {
    name: &'static str,
    because: &'static str,
    /// (path, reason): files in which the rule does not hold.
    exceptions: &'static [(&'static str, &'static str)],
}

/// A file of the tree: its path from the repository root, with forward slashes, and its text.
struct File {
    path: String,
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, what: what.into() }
    }
}

impl Rule {
    /// Panics with one line per finding that no exception covers, and one per exception that covers none.
    fn enforce(&self, findings: Vec<Finding>) {
        let complaints = self.complaints(&findings);
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    }

    fn complaints(&self, findings: &[Finding]) -> Vec<String> {
        let excused = |finding: &Finding| self.exceptions.iter().any(|(path, _)| *path == finding.path);
        let broken = findings.iter().filter(|finding| !excused(finding)).map(|finding| {
            let Finding { path, line, what } = finding;
            format!("{path}:{line}: {what}\n    rule: {}\n    because {}", self.name, self.because)
        });
        let covers = |exception: &str| findings.iter().any(|finding| finding.path == exception);
        let stale = self.exceptions.iter().filter(|(path, _)| !covers(path)).map(|(path, reason)| {
            format!("{path}:1: this exception excuses nothing any more; delete it ({reason})\n    rule: {}", self.name)
        });
        broken.chain(stale).collect()
    }
}

/// Every file under `folder` whose name ends in `.extension`, sorted by path; none if there is no such folder.
fn files(folder: &str, extension: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(root, &root.join(folder), extension, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn collect(root: &Path, folder: &Path, extension: &str, found: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(root, &path, extension, found);
        } else if path.extension().is_some_and(|this| this == extension) {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let inside = path.strip_prefix(root).expect("a path under the root");
            found.push(File { path: inside.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

/// Runs a rule that looks at one file at a time.
fn check_each(files: &[File], check: fn(&str, &str) -> Vec<Finding>) -> Vec<Finding> {
    files.iter().flat_map(|file| check(&file.path, &file.text)).collect()
}

#[test]
fn the_tree_is_found() {
    assert!(files("src", "rs").iter().any(|file| file.path == "src/main.rs"));
    assert!(files("tests", "rs").iter().any(|file| file.path == "tests/all/tidy.rs"));
}

#[test]
fn a_message_names_the_place_the_rule_and_the_reason() {
    let rule = Rule { name: "no foxes", because: "of the hens", exceptions: &[] };
    let complaints = rule.complaints(&[Finding::new("src/yard.rs", 7, "a fox")]);
    assert_eq!(complaints, ["src/yard.rs:7: a fox\n    rule: no foxes\n    because of the hens"]);
}

#[test]
fn an_exception_excuses_its_file_and_must_excuse_something() {
    let rule = Rule { name: "no foxes", because: "of the hens", exceptions: &[("src/zoo.rs", "they are caged")] };
    assert!(rule.complaints(&[Finding::new("src/zoo.rs", 1, "a fox")]).is_empty());
    let stale = rule.complaints(&[]);
    assert!(stale[0].contains("excuses nothing"), "{stale:?}");
}
