//! The shape of a file: no `mod.rs`, a first line that says what it is, and sizes that fit one sitting and one screen.

use super::source::{Source, end_of_block, identifier};
use super::{Finding, Rule, check_each, files};

const NO_MOD_RS: Rule = Rule {
    name: "no mod.rs",
    because: "`foo.rs` beside `foo/` can be found by its name, ten tabs called mod.rs cannot",
    exceptions: &[],
};

const FILE_SIZE: Rule = Rule {
    name: "a file has at most 400 lines of code, 600 with its tests",
    because: "a file should be read in one sitting; past that it holds two nouns and becomes a folder",
    exceptions: FILE_SIZE_EXCEPTIONS,
};

const FILE_SIZE_EXCEPTIONS: &[(&str, &str)] = &[];

const FUNCTION_SIZE: Rule = Rule {
    name: "a function has at most 70 lines",
    because: "a function should fit a screen; a longer one mixes branching with straight work that has a name of its own",
    exceptions: FUNCTION_SIZE_EXCEPTIONS,
};

const FUNCTION_SIZE_EXCEPTIONS: &[(&str, &str)] = &[];

const FIRST_LINE: Rule = Rule {
    name: "every source file begins with `//!`",
    because: "the first line says what the module is, and a module that cannot say it in a sentence is cut wrong",
    exceptions: FIRST_LINE_EXCEPTIONS,
};

const FIRST_LINE_EXCEPTIONS: &[(&str, &str)] = &[];

const MAX_LINES_OF_CODE: usize = 400;
const MAX_LINES: usize = 600;
const MAX_FUNCTION_LINES: usize = 70;

#[test]
fn no_file_is_called_mod_rs() {
    let mut all = files("src", "rs");
    all.extend(files("tests", "rs"));
    NO_MOD_RS.enforce(check_each(&all, check_name));
}

#[test]
fn files_are_read_in_one_sitting() {
    let mut all = files("src", "rs");
    all.extend(files("tests", "rs"));
    FILE_SIZE.enforce(check_each(&all, check_file_size));
}

#[test]
fn functions_fit_a_screen() {
    let mut all = files("src", "rs");
    all.extend(files("tests", "rs"));
    FUNCTION_SIZE.enforce(check_each(&all, check_function_size));
}

#[test]
fn every_source_file_says_what_it_is() {
    FIRST_LINE.enforce(check_each(&files("src", "rs"), check_first_line));
}

fn check_name(path: &str, _text: &str) -> Vec<Finding> {
    let wrong = path.ends_with("/mod.rs").then(|| Finding::new(path, 1, "a module as mod.rs"));
    wrong.into_iter().collect()
}

fn check_file_size(path: &str, text: &str) -> Vec<Finding> {
    let code = Source::read(path, text).lines_of_code();
    let all = text.lines().count();
    let mut findings = Vec::new();
    if code > MAX_LINES_OF_CODE {
        findings.push(Finding::new(path, 1, format!("{code} lines without tests")));
    }
    if all > MAX_LINES {
        findings.push(Finding::new(path, 1, format!("{all} lines")));
    }
    findings
}

fn check_function_size(path: &str, text: &str) -> Vec<Finding> {
    let source = Source::read(path, text);
    let mut findings = Vec::new();
    for at in source.find_word("fn") {
        let name = identifier(&source.code[at + "fn".len()..]);
        let body = source.code[at..].find(['{', ';']).map(|found| at + found);
        let Some(open) = body.filter(|open| source.code[*open..].starts_with('{') && !name.is_empty()) else {
            continue;
        };
        let lines = source.code[at..end_of_block(&source.code, open)].lines().count();
        if lines > MAX_FUNCTION_LINES {
            findings.push(Finding::new(path, source.line_of(at), format!("`fn {name}` has {lines} lines")));
        }
    }
    findings
}

fn check_first_line(path: &str, text: &str) -> Vec<Finding> {
    let wrong = !text.starts_with("//! ");
    wrong.then(|| Finding::new(path, 1, "the first line is not `//! ...`")).into_iter().collect()
}

#[test]
fn a_mod_rs_is_found() {
    assert_eq!(check_name("src/store/mod.rs", "").len(), 1);
    assert!(check_name("src/store/model.rs", "").is_empty());
}

#[test]
fn a_long_file_is_found_with_and_without_its_tests() {
    let code = |lines: usize| "const A: u8 = 1;\n".repeat(lines);
    let tests = |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", code(lines - 3));
    let whats = |text: String| check_file_size("src/x.rs", &text).into_iter().map(|it| it.what).collect::<Vec<_>>();
    assert!(whats(code(400) + &tests(200)).is_empty());
    assert_eq!(whats(code(401)), ["401 lines without tests"]);
    assert_eq!(whats(code(300) + &tests(301)), ["601 lines"]);
}

#[test]
fn a_long_function_is_found_and_a_long_signature_type_is_none() {
    let function = |lines: usize| {
        format!("\nfn a(b: fn(u8) -> u8) {{\n{}}}\ntrait T {{ fn c(); }}\n", "b(1);\n".repeat(lines - 2))
    };
    assert!(check_function_size("src/x.rs", &function(70)).is_empty());
    assert_eq!(check_function_size("src/x.rs", &function(71)), [Finding::new("src/x.rs", 2, "`fn a` has 71 lines")]);
}

#[test]
fn a_file_that_does_not_say_what_it_is_is_found() {
    assert_eq!(check_first_line("src/x.rs", "use std::fmt;\n").len(), 1);
    assert!(check_first_line("src/x.rs", "//! The x.\n").is_empty());
}
