//! Who may import whom: the layer map of ARCHITECTURE.md, checked on every path that starts at the crate's root.

use super::source::{Source, identifier};
use super::{Finding, Rule, check_each, files};

const RULE: Rule = Rule {
    name: "modules import only what the layer map allows",
    because: "the rules of routing must stay free of the store, the index and the wire, so that the service, the simulation \
              and the tests run the very same code, and each port can be replaced",
    exceptions: EXCEPTIONS,
};

const EXCEPTIONS: &[(&str, &str)] = &[];

const PURE_RULE: Rule = Rule {
    name: "pure layers have no async, no I/O and no hash-map order",
    because: "the same seed must give the same decisions on every run and every replica; `BTreeMap` keeps its order, \
              and what waits or reads belongs to the engine",
    exceptions: PURE_EXCEPTIONS,
};

const PURE_EXCEPTIONS: &[(&str, &str)] = &[];

const PURE: &[&str] = &["domain", "policy", "sla", "signals", "report", "routing", "yaml"];

/// A module, and the other modules of this crate that it may name.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("yaml", &[]),
    ("policy", &["domain", "yaml"]),
    ("sla", &["domain"]),
    ("signals", &["domain"]),
    ("report", &["domain"]),
    ("routing", &["domain", "policy", "sla"]),
    ("availability", &["PURE", "clock"]),
    ("store", &["PURE", "clock"]),
    ("stream", &["PURE", "clock"]),
    ("engine", &["PURE", "availability", "store", "stream", "clock", "entropy", "shutdown", "telemetry"]),
    ("simulate", &["PURE", "availability", "clock", "entropy"]),
    (
        "grpc",
        &[
            "PURE",
            "engine",
            "availability",
            "store",
            "stream",
            "simulate",
            "proto",
            "clock",
            "entropy",
            "shutdown",
            "telemetry",
        ],
    ),
    ("web", &["PURE", "engine", "stream", "simulate", "clock", "entropy", "shutdown", "telemetry"]),
    ("client", &["proto", "yaml", "clock", "entropy", "shutdown"]),
    ("cli", &["ALL"]),
    ("main", &["cli"]),
    ("lib", &["ALL"]),
    ("clock", &["domain"]),
    ("entropy", &["domain"]),
    ("config", &["domain"]),
    ("telemetry", &["config"]),
    ("shutdown", &["clock"]),
    ("probes", &[]),
    ("proto", &[]),
];

/// Crates that belong to a layer: who names them knows what that layer keeps to itself.
const CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("redis", &["availability"]),
    ("axum", &["probes"]),
    ("tonic", &["grpc", "client", "cli", "lib", "proto"]),
    ("prost", &["grpc", "client", "cli", "lib", "proto"]),
    ("prost_types", &["grpc", "client", "cli", "lib"]),
];

/// Words that have no place in a pure layer.
const IMPURE: &[&str] = &["async", "tokio", "HashMap", "HashSet", "std::fs", "std::net", "std::thread"];

#[test]
fn modules_import_only_what_the_layer_map_allows() {
    RULE.enforce(check_each(&files("src", "rs"), check));
}

#[test]
fn pure_layers_have_no_async_no_io_and_no_hash_map_order() {
    PURE_RULE.enforce(check_each(&files("src", "rs"), check_purity));
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let source = Source::read(path, text);
    let module = module_of(path);
    let Some(allowed) = allowed(module) else {
        return vec![Finding::new(path, 1, format!("`{module}` is not on the layer map (tests/all/tidy/layers.rs)"))];
    };
    let mut findings = Vec::new();
    for (at, target) in imports(path, &source) {
        if target != module && !allowed.contains(&"ALL") && !allows(allowed, target) {
            findings.push(Finding::new(
                path,
                source.line_of(at),
                format!("`{module}` may not import `crate::{target}`"),
            ));
        }
    }
    for (name, owners) in CRATES.iter().filter(|(_, owners)| !owners.contains(&module)) {
        let is_crate = |at: &usize| {
            let inside_a_path = source.code[..*at].ends_with("::");
            source.code[at + name.len()..].starts_with("::") && !inside_a_path
        };
        let uses = source.find_word(name).into_iter().filter(is_crate);
        let what = format!("`{module}` may not use the crate `{name}`, only {} may", owners.join(", "));
        findings.extend(uses.map(|at| Finding::new(path, source.line_of(at), what.clone())));
    }
    findings
}

fn check_purity(path: &str, text: &str) -> Vec<Finding> {
    if !PURE.contains(&module_of(path)) {
        return Vec::new();
    }
    let source = Source::read(path, text);
    let uses = |word: &&str| source.find_word(word).into_iter().map(|at| (at, word.to_string())).collect::<Vec<_>>();
    IMPURE
        .iter()
        .flat_map(uses)
        .filter(|(at, _)| !source.is_test(*at))
        .map(|(at, word)| Finding::new(path, source.line_of(at), format!("`{word}` in a pure layer")))
        .collect()
}

/// `src/store/sqlite.rs` and `src/store.rs` are both of the module `store`.
fn module_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let first = inside.split('/').next().unwrap_or(inside);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

fn allows(allowed: &[&str], target: &str) -> bool {
    allowed.contains(&target) || (allowed.contains(&"PURE") && PURE.contains(&target))
}

/// Every first segment after the crate's root, with its place: `crate::x`, `crate::{x, y::z}`, in `main.rs` `handoff::x`,
/// and a chain of `super` that climbs to the root.
fn imports<'a>(path: &str, source: &'a Source) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let roots: &[&str] = if path == "src/main.rs" { &["crate", "handoff"] } else { &["crate"] };
    for root in roots {
        for at in source.find_word(root) {
            let Some(rest) = source.code[at + root.len()..].trim_start().strip_prefix("::") else {
                continue;
            };
            found.extend(first_segments(rest).into_iter().map(|segment| (at, segment)));
        }
    }
    found.extend(climbs(path, source));
    found
}

/// The names right behind `crate::`; a macro's name is none.
fn first_segments(rest: &str) -> Vec<&str> {
    let rest = rest.trim_start();
    let Some(group) = rest.strip_prefix('{') else {
        let name = identifier(rest);
        return if rest[name.len()..].starts_with('!') { Vec::new() } else { vec![name] };
    };
    let mut segments = vec![identifier(group)];
    let mut depth = 1;
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => segments.push(identifier(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    segments.retain(|segment| !segment.is_empty() && *segment != "self");
    segments
}

/// `super::super::store` in `src/engine/writer.rs` is `crate::store`. Only names on the map count: an inner module of the
/// file makes the chain longer than the path tells.
fn climbs<'a>(path: &str, source: &'a Source) -> Vec<(usize, &'a str)> {
    let depth = path.matches('/').count();
    let mut found = Vec::new();
    for at in source.find_word("super") {
        if source.code[..at].ends_with("super::") {
            continue;
        }
        let mut rest = &source.code[at..];
        let mut climbed = 0;
        while let Some(further) = rest.strip_prefix("super::") {
            climbed += 1;
            rest = further;
        }
        if climbed >= depth {
            let segments = first_segments(rest).into_iter();
            found.extend(segments.filter(|segment| allowed(segment).is_some()).map(|segment| (at, segment)));
        }
    }
    found
}

fn whats(path: &str, text: &str) -> Vec<String> {
    check(path, text).into_iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
}

#[test]
fn an_import_against_the_map_is_found_in_every_spelling() {
    let store = "`routing` may not import `crate::store`";
    for text in ["use crate::store::Store;", "fn a() { crate::store::open() }", "use super::super::store::Store;"] {
        assert_eq!(whats("src/routing/decide.rs", text), [format!("1: {store}")], "{text}");
    }
    let grouped = "use crate::{domain::{Agent, Leg},\n store, engine::Writer};";
    let engine = "1: `routing` may not import `crate::engine`".to_owned();
    assert_eq!(whats("src/routing.rs", grouped), [format!("1: {store}"), engine]);
}

#[test]
fn ports_do_not_import_each_other_and_the_wire_stays_in_grpc() {
    assert_eq!(whats("src/stream/hub.rs", "\nuse crate::store::Store;"), ["2: `stream` may not import `crate::store`"]);
    assert_eq!(whats("src/engine.rs", "use crate::proto::v1;"), ["1: `engine` may not import `crate::proto`"]);
    assert_eq!(whats("src/engine.rs", "use sqlx::Row;").len(), 1);
    assert!(
        whats("src/grpc/tickets.rs", "use crate::proto::v1; use tonic::Status; use crate::domain::Leg;").is_empty()
    );
}

#[test]
fn main_knows_only_the_command_line_and_every_module_is_on_the_map() {
    assert!(whats("src/main.rs", "use handoff::cli;").is_empty());
    assert_eq!(whats("src/main.rs", "use handoff::store;"), ["1: `main` may not import `crate::store`"]);
    assert!(whats("src/misc/bag.rs", "")[0].contains("`misc` is not on the layer map"));
}

#[test]
fn comments_strings_and_macros_are_no_imports() {
    let text = "// use crate::store;\nconst A: &str = \"crate::store\"; crate::segment!(); pub(crate) fn a() {}";
    assert!(whats("src/domain/id.rs", text).is_empty());
}

#[test]
fn a_hash_map_or_a_wait_in_a_pure_layer_is_found() {
    let text = "use std::collections::HashMap;\nasync fn a() {}\n#[cfg(test)]\nmod tests { use std::fs; }";
    let findings = check_purity("src/routing/order.rs", text);
    assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 1]);
    assert!(check_purity("src/engine/writer.rs", text).is_empty());
}
