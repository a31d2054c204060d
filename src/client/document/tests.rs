//! Documents are read to the place, and written as they are read.

use proptest::prelude::*;

use super::write::{changes, literal, quoted};
use super::*;

const EXAMPLE: &str = include_str!("../../../examples/desk.yaml");

fn no_files(name: &str) -> std::io::Result<String> {
    Err(std::io::Error::new(std::io::ErrorKind::NotFound, format!("no {name}")))
}

fn good(source: &str) -> Document {
    read(source, no_files).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// `rule line:column path` of every problem.
fn problems(source: &str) -> Vec<String> {
    let found = read(source, no_files).expect_err("the document has mistakes");
    let shown = |found: &Problem| format!("{} {}:{} {}", found.rule, found.place.line, found.place.column, found.path);
    found.iter().map(shown).collect()
}

#[test]
fn the_example_is_a_desk_with_two_connectors_and_ten_agents() {
    let document = good(EXAMPLE);
    let desk = &document.desks[0];
    assert_eq!(desk.desk.resource.name, "desks/support");
    assert_eq!((desk.connectors.len(), desk.agents.len()), (2, 10));
    let julia = &desk.agents[9].resource;
    assert_eq!((julia.name.as_str(), julia.tier()), ("desks/support/agents/julia", 3));
    assert_eq!(julia.authorities.len(), 2);
    let refund = julia.authorities[0].limit.as_ref().expect("with a limit");
    assert_eq!((refund.units, refund.nanos, refund.currency_code.as_str()), (500, 0, "EUR"));
    assert_eq!(julia.authorities[1].limit, None);
    let phone = &desk.agents[0].resource.endpoints[0];
    assert_eq!(phone.connector, "desks/support/connectors/telephony");
    assert_eq!(phone.accepts(), v1::Accepts::Endpoint);
}

#[test]
fn the_documented_format_is_read() {
    let page = include_str!("../../../docs/configuration.md");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it shows one");
    assert_eq!(good(block).desks[0].agents.len(), 1);
}

#[test]
fn the_sections_of_a_policy_in_place_are_taken_over_whole() {
    let policy = good(EXAMPLE).desks[0].policy.clone().expect("it has one");
    assert_eq!(policy.source.lines().filter(|line| !line.starts_with([' ', '#']) && !line.is_empty()).count(), 3);
}

#[test]
fn a_policy_in_place_keeps_its_comments_and_its_places() {
    let policy = good(EXAMPLE).desks[0].policy.clone().expect("it has one");
    assert!(policy.source.starts_with("catalogue:\n  skills: [billing, network]\n"), "{}", policy.source);
    assert!(policy.source.contains("\n# The first rule that holds decides"));
    assert!(policy.source.ends_with("first_response: 1m\n"));
    let line = EXAMPLE.lines().position(|line| line.trim() == "classification:").expect("it is there") + 1;
    let in_source = policy.source.lines().position(|line| line == "classification:").expect("it is there") + 1;
    let place = policy.place_of(u32::try_from(in_source).expect("small"), 1);
    assert_eq!((place.line, place.column), (u32::try_from(line).expect("small"), 7));
}

#[test]
fn a_policy_may_be_text_or_a_file() {
    let text = good("desks:\n  d:\n    policy: |\n\n      limits: {}\n").desks[0].policy.clone().expect("it has one");
    assert_eq!(text.source, "\nlimits: {}\n");
    assert_eq!(text.place_of(2, 1), Place { line: 5, column: 7 });
    let load = |name: &str| if name == "p.yaml" { Ok("limits: {}\n".to_owned()) } else { no_files(name) };
    let document = read("desks: {d: {policy_file: p.yaml}}", load).expect("it is there");
    let file = document.desks[0].policy.clone().expect("it has one");
    assert_eq!((file.source.as_str(), file.file.as_deref()), ("limits: {}\n", Some("p.yaml")));
    assert_eq!(problems("desks: {d: {policy_file: q.yaml}}"), ["unreadable-file 1:26 desks.d.policy_file"]);
    assert_eq!(problems("desks: {d: {policy: {limits: {}}}}"), ["wrong-type 1:21 desks.d.policy"]);
    let twice = "desks:\n  d:\n    policy_file: q\n    policy:\n      limits: {}\n";
    assert_eq!(problems(twice), ["given-twice 3:18 desks.d.policy_file"]);
    let ended = "desks:\n  d:\n    policy:\n      limits:\n        hop_hard: 7\n\n# of e\n  e: {}\n";
    assert_eq!(good(ended).desks[0].policy.clone().expect("it has one").source, "limits:\n  hop_hard: 7\n");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let source = "\
desks:
  d:
    agents:
      a:
        tear: 2
        skills: {billing: 11}
        languages: [en_US]
        endpoints: {phone: {connector: c}, fax: {}}
        authorities: {refund: lots}
    connectors:
      c: {reach: all, kinds: [offerd]}
    timezone: UTC
";
    assert_eq!(
        problems(source),
        [
            "unknown-key 5:9 desks.d.agents.a.tear",
            "out-of-bounds 6:27 desks.d.agents.a.skills.billing",
            "bad-language 7:21 desks.d.agents.a.languages[0]",
            "missing-key 8:28 desks.d.agents.a.endpoints.phone",
            "unknown-key 8:44 desks.d.agents.a.endpoints.fax",
            "bad-amount 9:31 desks.d.agents.a.authorities.refund",
            "unknown-word 11:18 desks.d.connectors.c.reach",
            "unknown-word 11:31 desks.d.connectors.c.kinds[0]",
            "unknown-key 12:5 desks.d.timezone",
        ]
    );
    assert_eq!(problems(""), ["missing-key 1:1 "]);
    assert_eq!(problems("desks: ["), ["syntax 1:8 "]);
}

#[test]
fn a_field_that_the_server_names_is_found_in_the_document() {
    let document = good("desks:\n  d:\n    agents:\n      a:\n        languages: [en]\n");
    let agent = &document.desks[0].agents[0];
    assert_eq!(agent.place_of("agent.language_codes[0]"), Place { line: 5, column: 9 });
    assert_eq!(agent.place_of("agent_id"), Place { line: 4, column: 7 });
}

#[test]
fn only_what_differs_is_a_change() {
    let of = |fields: &str| {
        let source = format!("desks: {{d: {{agents: {{a: {{{fields}}}}}}}}}");
        good(&source).desks[0].agents[0].resource.clone()
    };
    let stated = of("tier: 2, skills: {b: 1, a: 2}, languages: [en, de]");
    let same =
        of("languages: [DE, EN], skills: {a: 2, b: }, tier: 2, pools: {live: 100}, channels: {chat: {paused: false}}");
    assert!(changes(&stated, &same).is_empty());
    let other = of("skills: {a: 3, b: 1}, languages: [de, en], authorities: {refund: 1.5 EUR, hold: }");
    let found = changes(&stated, &other);
    let shown: Vec<String> =
        found.iter().map(|change| format!("{} {} {} -> {}", change.key, change.mask, change.old, change.new)).collect();
    assert_eq!(
        shown,
        [
            "tier tier 2 -> ",
            "skills skills {a: 2, b: 1} -> {a: 3, b: 1}",
            "authorities authorities  -> {hold:, refund: \"1.50 EUR\"}",
        ]
    );
}

#[test]
fn text_is_quoted_where_it_could_be_read_as_something_else() {
    for (text, written) in
        [("Anna Kask", "Anna Kask"), ("yes", "\"yes\""), ("5", "\"5\""), ("a: b", "\"a: b\""), ("a\nb", "\"a\\nb\"")]
    {
        assert_eq!(quoted(text), written);
    }
}

proptest! {
    #[test]
    fn any_text_survives_being_written(text in any::<String>(), key in "[a-z]{1,8}") {
        let source = format!("desks:\n  d:\n    display_name: {}\n    agents: {{a: {{labels: {{{}: {}}}}}}}\n", quoted(&text), quoted(&key), quoted(&text));
        let desk = &good(&source).desks[0];
        prop_assert_eq!(&desk.desk.resource.display_name, &text);
        prop_assert_eq!(&desk.agents[0].resource.labels[&key], &text);
    }

    #[test]
    fn any_policy_survives_being_written(source in "[ -~\n\té]{1,80}") {
        let document = format!("desks:\n  d:\n{}", literal("policy", &source, 4));
        let read = good(&document).desks[0].policy.clone().expect("it has one");
        prop_assert_eq!(read.source, source);
    }

    #[test]
    fn no_change_of_the_example_makes_it_panic(at in 0..EXAMPLE.len(), cut in 0..60_usize, new in "[ -~\n]{0,8}") {
        let end = (at + cut).min(EXAMPLE.len());
        let source = format!("{}{new}{}", &EXAMPLE[..at], &EXAMPLE[end..]);
        if let Err(problems) = read(&source, no_files) {
            prop_assert!(!problems.is_empty());
        }
    }
}
