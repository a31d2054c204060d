//! Time, environment, chance and tasks: each has its one place, and tests wait for nothing.

use super::source::{Source, identifier};
use super::{Finding, Rule, check_each, files};

/// Words whose effect belongs to a few files, and to nobody else.
struct Effect {
    rule: Rule,
    words: &'static [&'static str],
    /// Files, and folders with their slash, where the effect lives.
    homes: &'static [&'static str],
    /// Whether test code in `src` may do it as well.
    tests_may: bool,
}

const CLOCK: Effect = Effect {
    rule: Rule {
        name: "time is read, and waited for, in src/clock.rs only",
        because: "the clock carries a rate and can be set by hand: a time taken beside it breaks the demo at 60x, replay and \
                  every test with a manual clock. Rules take `now`",
        exceptions: CLOCK_EXCEPTIONS,
    },
    words: &[
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "Utc::now",
        "Local::now",
        "thread::sleep",
    ],
    homes: &["src/clock.rs"],
    tests_may: false,
};

const CLOCK_EXCEPTIONS: &[(&str, &str)] = &[];

/// What `tokio::time` may not lend outside the clock.
const WAITS: &[&str] = &["sleep", "sleep_until", "interval", "interval_at", "timeout", "timeout_at", "self"];

const ENVIRONMENT: Effect = Effect {
    rule: Rule {
        name: "the environment is read in config and cli only",
        because: "a setting that is read deep inside is missing from --help, from --print-config and from the documentation",
        exceptions: ENVIRONMENT_EXCEPTIONS,
    },
    words: &["env::var", "env::var_os", "env::vars", "env::vars_os"],
    homes: &["src/config.rs", "src/config/", "src/cli.rs", "src/cli/"],
    tests_may: false,
};

const ENVIRONMENT_EXCEPTIONS: &[(&str, &str)] = &[];

const CHANCE: Effect = Effect {
    rule: Rule {
        name: "randomness comes from src/entropy.rs only",
        because: "the simulation repeats a run from one seed; a second source makes a failure unrepeatable",
        exceptions: CHANCE_EXCEPTIONS,
    },
    words: &[
        "rand::rng",
        "rand::random",
        "rand::make_rng",
        "thread_rng",
        "ThreadRng",
        "OsRng",
        "SysRng",
        "from_os_rng",
        "from_entropy",
        "Uuid::now_v7",
        "Uuid::new_v4",
    ],
    homes: &["src/entropy.rs"],
    tests_may: false,
};

const CHANCE_EXCEPTIONS: &[(&str, &str)] = &[];

const SPAWN: Effect = Effect {
    rule: Rule {
        name: "tasks and threads start in engine, client, grpc/serve and shutdown only",
        because: "every task has a kind, an owner and a way to end; one that is started elsewhere outlives the drain, and its \
                  panic is seen by nobody",
        exceptions: SPAWN_EXCEPTIONS,
    },
    words: &["tokio::spawn", "task::spawn", "JoinSet", "thread::spawn", "thread::Builder"],
    homes: &["src/engine.rs", "src/engine/", "src/client.rs", "src/client/", "src/grpc/serve.rs", "src/shutdown.rs"],
    tests_may: true,
};

const SPAWN_EXCEPTIONS: &[(&str, &str)] = &[];

const NO_SLEEP: Rule = Rule {
    name: "tests do not sleep",
    because: "a sleep is too long on a good day and too short on a bad one: set the clock by hand, pause tokio's, or wait for the \
              condition with a deadline",
    exceptions: NO_SLEEP_EXCEPTIONS,
};

const NO_SLEEP_EXCEPTIONS: &[(&str, &str)] =
    &[("tests/all/simulation/pause.rs", "time is paused there: a wait takes none")];

#[test]
fn time_is_read_and_waited_for_in_the_clock_only() {
    CLOCK.rule.enforce(check_each(&files("src", "rs"), check_clock));
}

#[test]
fn the_environment_is_read_in_config_and_cli_only() {
    ENVIRONMENT.rule.enforce(check_each(&files("src", "rs"), |path, text| check(&ENVIRONMENT, path, text)));
}

#[test]
fn randomness_comes_from_entropy_only() {
    CHANCE.rule.enforce(check_each(&files("src", "rs"), |path, text| check(&CHANCE, path, text)));
}

#[test]
fn tasks_start_where_they_have_an_owner() {
    SPAWN.rule.enforce(check_each(&files("src", "rs"), |path, text| check(&SPAWN, path, text)));
}

#[test]
fn tests_do_not_sleep() {
    NO_SLEEP.enforce(check_each(&files("tests", "rs"), check_sleep));
}

fn check(effect: &Effect, path: &str, text: &str) -> Vec<Finding> {
    let at_home = |home: &&str| path == *home || (home.ends_with('/') && path.starts_with(*home));
    if effect.homes.iter().any(at_home) {
        return Vec::new();
    }
    let source = Source::read(path, text);
    let uses = effect.words.iter().flat_map(|word| source.find_word(word).into_iter().map(move |at| (at, word)));
    uses.filter(|(at, _)| !(effect.tests_may && source.is_test(*at)))
        .map(|(at, word)| Finding::new(path, source.line_of(at), format!("`{word}`")))
        .collect()
}

/// Beside the clock's words, whatever of `tokio::time` waits: called by its path, imported by name, or the module itself.
fn check_clock(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = check(&CLOCK, path, text);
    if CLOCK.homes.contains(&path) {
        return findings;
    }
    let source = Source::read(path, text);
    for at in source.find_word("tokio::time") {
        let rest = &source.code[at + "tokio::time".len()..];
        let found = match rest.strip_prefix("::") {
            None => Some("tokio::time".to_owned()),
            Some(names) => waits(names).map(|wait| format!("tokio::time::{wait}")),
        };
        findings.extend(found.map(|what| Finding::new(path, source.line_of(at), format!("`{what}`"))));
    }
    findings
}

fn waits(names: &str) -> Option<&'static str> {
    let group = names.strip_prefix('{').and_then(|group| group.split('}').next());
    let names: Vec<&str> = group.map_or(vec![identifier(names)], |group| group.split(',').map(identifier).collect());
    WAITS.iter().copied().find(|wait| names.contains(wait))
}

fn check_sleep(path: &str, text: &str) -> Vec<Finding> {
    let source = Source::read(path, text);
    let uses = ["sleep", "sleep_until", "sleep_ms"].into_iter().flat_map(|word| source.find_word(word));
    uses.map(|at| Finding::new(path, source.line_of(at), "a sleep in a test")).collect()
}

#[test]
fn a_time_taken_beside_the_clock_is_found() {
    let bad =
        ["SystemTime::now()", "std::time::Instant::now()", "jiff::Timestamp::now()", "tokio::time::sleep(d).await"];
    let imported = ["use tokio::time::{Duration, timeout};", "use tokio::time;", "use tokio::time::{self, Instant};"];
    for text in bad.iter().chain(&imported) {
        assert_eq!(check_clock("src/engine/timers.rs", text).len(), 1, "{text}");
        assert!(check_clock("src/clock.rs", text).is_empty(), "{text}");
    }
    let harmless = "use tokio::time::Duration; #[cfg(test)] mod tests { fn a() { tokio::time::pause(); } }";
    assert!(check_clock("src/engine/timers.rs", harmless).is_empty());
}

#[test]
fn environment_chance_and_tasks_are_found_outside_their_files() {
    let found = |effect: &Effect, path: &str, text: &str| check(effect, path, text).len();
    assert_eq!(found(&ENVIRONMENT, "src/store/sqlite.rs", "std::env::var(\"A\")"), 1);
    assert_eq!(found(&ENVIRONMENT, "src/config.rs", "std::env::var(\"A\"); env!(\"B\")"), 0);
    assert_eq!(found(&CHANCE, "src/grpc/tickets.rs", "let id = Uuid::now_v7();"), 1);
    assert_eq!(found(&CHANCE, "src/entropy.rs", "let id = Uuid::now_v7();"), 0);
    assert_eq!(found(&SPAWN, "src/stream/hub.rs", "\ntokio::spawn(a); let set = JoinSet::new();"), 2);
    assert_eq!(found(&SPAWN, "src/engine/writer.rs", "tokio::spawn(a);"), 0);
    assert_eq!(found(&SPAWN, "src/stream/hub.rs", "#[cfg(test)] mod tests { fn a() { tokio::spawn(b); } }"), 0);
}

#[test]
fn a_sleep_in_a_test_is_found() {
    assert_eq!(
        check_sleep("tests/all/chaos.rs", "\ntokio::time::sleep(d).await"),
        [Finding::new("tests/all/chaos.rs", 2, "a sleep in a test")]
    );
    assert!(check_sleep("tests/all/chaos.rs", "// sleep\nasleep(); \"sleep\"").is_empty());
}
