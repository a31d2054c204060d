//! The documents show code that runs: a snippet is a stretch of a tested file, word for word.
//!
//! In a document, `<!-- PATH: NAME -->` stands above a fenced block. In the file, the stretch lies between a comment that
//! ends in `docs: NAME` and the next that ends in `docs: end`.

use super::{File, Finding, Rule, files};

const RULE: Rule = Rule {
    name: "a snippet that names its source is that source",
    because: "an example that nobody runs is wrong within a month; copy the stretch again",
    exceptions: &[],
};

#[test]
fn a_snippet_that_names_its_source_is_that_source() {
    let sources: Vec<File> =
        ["py", "mjs", "sh"].iter().flat_map(|extension| files("tests/clients", extension)).collect();
    let documents = files("docs", "md");
    let snippets = documents.iter().flat_map(|document| snippets(&document.text)).count();
    assert!(snippets >= 8, "{snippets} snippets were found");
    RULE.enforce(documents.iter().flat_map(|it| check(&it.path, &it.text, &sources)).collect());
}

/// A snippet of a document: the line of its mark, its source, its name, its text.
struct Snippet<'a> {
    line: usize,
    path: &'a str,
    name: &'a str,
    text: String,
}

fn snippets(document: &str) -> Vec<Snippet<'_>> {
    let lines: Vec<&str> = document.lines().collect();
    let marked = lines.iter().enumerate().filter_map(|(at, line)| {
        let (path, name) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(": ")?;
        let block = lines.get(at + 1).filter(|fence| fence.starts_with("```")).map(|_| &lines[at + 2..]);
        let text = block.map(|block| block.iter().take_while(|line| **line != "```").copied().collect::<Vec<_>>());
        Some(Snippet { line: at + 1, path, name, text: text.unwrap_or_default().join("\n") })
    });
    marked.collect()
}

fn check(path: &str, document: &str, sources: &[File]) -> Vec<Finding> {
    let differs = |snippet: &Snippet| {
        let source = sources.iter().find(|source| source.path == snippet.path);
        source.and_then(|source| stretch(&source.text, snippet.name)).is_none_or(|found| found != snippet.text)
    };
    let wrong = snippets(document).into_iter().filter(differs);
    wrong
        .map(|it| Finding::new(path, it.line, format!("`{}` of {} is not what stands there", it.name, it.path)))
        .collect()
}

/// The stretch without the indentation that all its lines share.
fn stretch(source: &str, name: &str) -> Option<String> {
    let begins = format!("docs: {name}");
    let lines = source.lines().skip_while(|line| !line.ends_with(&begins)).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.ends_with("docs: end")).collect();
    let indents = lines.iter().filter(|line| !line.is_empty()).map(|line| line.len() - line.trim_start().len());
    let indent = indents.min()?;
    let dedented: Vec<&str> = lines.iter().map(|line| line.get(indent..).unwrap_or("")).collect();
    Some(dedented.join("\n").trim_matches('\n').to_owned())
}

#[test]
fn a_snippet_that_differs_or_has_no_source_is_found() {
    let text = "before\n  // docs: hello\n  one\n    two\n\n  three\n  // docs: end\nafter\n".to_owned();
    let sources = [File { path: "a.mjs".to_owned(), text }];
    let shown = |text: &str| format!("Text\n<!-- a.mjs: hello -->\n```js\n{text}\n```\nmore\n");
    assert!(check("x.md", &shown("one\n  two\n\nthree"), &sources).is_empty());
    assert_eq!(check("x.md", &shown("one\n  2\n\nthree"), &sources)[0].line, 2);
    assert_eq!(check("x.md", "<!-- b.mjs: hello -->\n```\none\n```\n", &sources).len(), 1);
    assert_eq!(check("x.md", "<!-- a.mjs: hello -->\nno block\n", &sources).len(), 1);
}
