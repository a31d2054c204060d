//! Findings to the line and column, and what a policy means.

use proptest::prelude::*;

use super::*;
use crate::domain::id::QueueId;
use crate::domain::requirement::{Band, Channel, Ordering};
use crate::domain::time::Span;
use crate::policy::condition::Facts;
use crate::policy::queue::{AfterContact, WhenFull};

const WHOLE: &str = "\
# The desk's rules.
catalogue:
  skills: [billing, network]
  authorities:
    refund: EUR
    legal_hold:
  categories: [billing, outage]
  break_reasons: lunch
classification:
  - name: outages
    when:
      category: outage
      priority: {from: 20}
      any:
        - channel: [phone, chat]
        - attributes: {plan: gold}
      not: {language: DE-at}
    queue: outage
    requirement:
      skills: {network: 3}
      authorities: {refund: 137.50 EUR}
      min_tier: 2
    priority: 30
  - {name: money, when: {category: [billing]}, queue: billing, requirement: {skills: billing, authorities: [legal_hold]}}
default_queues:
  email: billing
queues:
  billing:
    band: deferred
    offer_timeout: 1m30s
    parallel_offers: 3
    wrap_up: 45s
    after_contact: resolve
    unassigned_timeout: 2d
    terminal: {queue: email, requirement: {min_tier: 2}}
    reopen_window: 30d
    prefer: 0
    first_response: 4h
    max_waiting: 200
    when_full: {queue: portal}
  outage: {band: emergency, strategy: best, ordering: arrival}
limits:
  accept_grace: 3s
  hop_hard: 8
";

fn good(source: &str) -> Policy {
    match parse(source, 7) {
        Ok(parsed) => parsed.policy,
        Err(findings) => panic!("{findings:#?}"),
    }
}

/// `rule line:column path` of every finding.
fn findings(source: &str) -> Vec<String> {
    let found = parse(source, 1).map_or_else(|findings| findings, |parsed| parsed.diagnostics);
    found
        .iter()
        .map(|finding| format!("{} {}:{} {}", finding.rule, finding.line, finding.column, finding.path))
        .collect()
}

fn only(source: &str) -> Diagnostic {
    let found = parse(source, 1).map_or_else(|findings| findings, |parsed| parsed.diagnostics);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().expect("there is one")
}

fn id(name: &str) -> QueueId {
    QueueId::parse(name).expect("a good name")
}

#[test]
fn every_section_is_read() {
    let policy = good(WHOLE);
    assert_eq!(policy.revision, 7);
    let billing = &policy.queues[&id("billing")];
    assert_eq!(billing.band, Some(Band::Deferred));
    assert_eq!(billing.offer_timeout, Some(Span::from_secs(90)));
    assert_eq!((billing.parallel_offers, billing.wrap_up), (3, Some(Span::from_secs(45))));
    assert_eq!(billing.after_contact, Some(AfterContact::Resolve));
    assert_eq!(
        billing.terminal.as_ref().map(|to| (to.queue.clone(), to.requirement.min_tier)),
        Some((id("email"), Some(2)))
    );
    assert_eq!((billing.prefer, billing.max_waiting), (Some(Span::ZERO), Some(200)));
    assert_eq!(billing.when_full, WhenFull::Other(id("portal")));
    assert_eq!(policy.default_queues[&Channel::Email], id("billing"));
    assert_eq!(policy.default_queues[&Channel::Phone], id("phone"));
    assert_eq!(policy.catalogue.break_reasons.as_ref().map(|reasons| reasons.len()), Some(1));
    assert_eq!((policy.limits.accept_grace, policy.limits.hop_hard), (Span::from_secs(3), 8));
    let outages = &policy.classification[0];
    assert_eq!((outages.priority, outages.requirement.min_tier), (Some(30), Some(2)));
    let refund = outages.requirement.authorities["refund"].as_ref().expect("with an amount");
    assert_eq!((refund.currency.as_ref(), refund.micros), ("EUR", 137_500_000));
    assert_eq!(policy.classification[1].requirement.skills["billing"], 1);
}

#[test]
fn the_documented_policy_is_a_good_one() {
    let page = include_str!("../../../docs/policy.md");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it shows one");
    assert!(good(block).queues.contains_key(&id("billing")));
}

#[test]
fn a_condition_holds_for_all_fields_and_any_value() {
    let rule = &good(WHOLE).classification[0].when;
    let facts = Facts { category: "outage", priority: Some(20), channel: Some(Channel::Chat), ..Facts::default() };
    assert!(rule.holds(&facts));
    assert!(!rule.holds(&Facts { priority: Some(19), ..facts.clone() }));
    assert!(!rule.holds(&Facts { language: "de-at", ..facts.clone() }));
    assert!(!rule.holds(&Facts { channel: Some(Channel::Email), ..facts.clone() }));
    let gold = Facts { channel: None, attributes: [("plan", "gold")].into(), ..facts };
    assert!(rule.holds(&gold));
}

#[test]
fn what_a_policy_leaves_out_follows_the_built_in_one() {
    for source in ["", "# nothing yet\n", "limits: {}\n", "queues:\nclassification:\n"] {
        assert_eq!(good(source), Policy { revision: 7, ..Policy::built_in() }, "{source:?}");
    }
    let chat = "queues:\n  chat: {band: deferred}\n";
    assert_eq!(good(chat).queues.len(), 5);
    assert_eq!(good(chat).queues[&id("chat")].band, Some(Band::Deferred));
    assert_eq!(good("queues:\n  vip:\n").queues.len(), 6);
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_document() {
    let source = "\
queues:
  billing:
    ofer_timeout: 20s
    wrap_up: 2h
    band: urgent
    parallel_offers: 0
    first_response: soon
  Sales: {}
limits:
  hop_hard: many
classification:
  - when: {channel: fax}
    queue: biling
";
    assert_eq!(
        findings(source),
        [
            "unknown-key 3:5 queues.billing.ofer_timeout",
            "out-of-bounds 4:14 queues.billing.wrap_up",
            "unknown-word 5:11 queues.billing.band",
            "out-of-bounds 6:22 queues.billing.parallel_offers",
            "bad-duration 7:21 queues.billing.first_response",
            "bad-name 8:3 queues.Sales",
            "wrong-type 10:13 limits.hop_hard",
            "missing-key 12:5 classification[0]",
            "unknown-word 12:21 classification[0].when.channel",
            "unknown-queue 13:12 classification[0].queue",
        ]
    );
}

#[test]
fn a_finding_says_what_would_be_right() {
    let finding = only("queues: {billing: {ofer_timeout: 20s}}");
    assert_eq!(finding.message, "unknown key `ofer_timeout`; did you mean `offer_timeout`?");
    let finding = only("queues: {billing: {offer_timeout: 25h}}");
    assert_eq!((finding.message.as_str(), finding.expected.as_str()), ("`25h` is out of bounds", "5s to 1d"));
    let finding = only("default_queues: {phone: bilin}\nqueues: {billing: }");
    assert_eq!(finding.message, "there is no queue `bilin`; did you mean `billing`?");
    assert_eq!(finding.expected, "one of billing, chat, email, phone, portal, social");
    let finding = only("classification:\n- {name: a, queue: phone, priority: 101}");
    assert_eq!(finding.expected, "a whole number from 0 to 100");
}

#[test]
fn a_text_that_is_no_yaml_is_refused_with_its_place() {
    let finding = only("queues:\n  billing: [1, 2\n");
    assert_eq!((finding.rule, finding.line, finding.column, finding.severity), ("syntax", 2, 12, Severity::Error));
    assert_eq!(findings("queues: &q {}\nlimits: *q"), ["syntax 1:12 "]);
    assert_eq!(findings("- a list"), ["wrong-type 1:1 "]);
    assert_eq!(findings("queues: {a: {}, a: {}}"), ["duplicate-key 1:17 queues.a"]);
}

#[test]
fn giant_and_deep_documents_are_refused() {
    assert!(only(&" ".repeat(MAX_SOURCE_BYTES + 1)).message.contains("at most 245760"));
    let deep = format!("classification: [{{name: a, queue: phone, when: {}{}}}]", "{not: ".repeat(60), "}".repeat(60));
    assert_eq!(only(&deep).rule, "syntax");
    let open = format!("a: {}", "[".repeat(100_000));
    assert_eq!(only(&open).rule, "syntax");
    let many: String = (0..20_000).map(|at| format!("k{at}: 1\n")).collect();
    assert_eq!(findings(&many).len(), MAX_DIAGNOSTICS);
}

#[test]
fn names_that_the_catalogue_does_not_list_are_errors() {
    let source = "\
catalogue:
  skills: [billing]
  authorities: {refund: EUR}
  categories: [money]
queues:
  billing:
    terminal:
      requirement:
        skills: {biling: 2}
        authorities: {refund: 5 USD}
classification:
  - name: a
    when: {category: mony}
    queue: billing
    requirement: {skills: [chess]}
";
    assert_eq!(
        findings(source),
        [
            "not-in-catalogue 9:18 queues.billing.terminal.requirement.skills.biling",
            "not-in-catalogue 10:23 queues.billing.terminal.requirement.authorities.refund",
            "not-in-catalogue 13:22 classification[0].when.category",
            "not-in-catalogue 15:28 classification[0].requirement.skills[0]",
        ]
    );
}

#[test]
fn terminal_destinations_must_not_go_round() {
    let round = "queues:\n  a: {terminal: {queue: b}}\n  b: {terminal: {queue: a}}\n  c: {terminal: {queue: a}}\n";
    let finding = only(round);
    assert_eq!((finding.rule, finding.line, finding.column), ("terminal-cycle", 2, 17));
    assert_eq!(finding.message, "tickets would go round: a -> b -> a");
    assert!(findings("queues:\n  a: {terminal: {queue: b}}\n  b: {terminal: {queue: b}}\n").is_empty());
    assert_eq!(
        findings("queues: {a: {max_waiting: 1, when_full: {queue: a}}}"),
        ["own-overflow 1:41 queues.a.when_full"]
    );
}

#[test]
fn a_rule_that_is_never_reached_is_a_warning() {
    let source = "\
classification:
  - {name: first, when: {category: [x, y]}, queue: chat}
  - {name: again, when: {category: [y, x]}, queue: phone}
  - {name: all, queue: phone}
  - {name: last, when: {channel: phone}, queue: chat}
";
    let parsed = parse(source, 1).expect("warnings refuse nothing");
    assert!(parsed.diagnostics.iter().all(|finding| finding.severity == Severity::Warning));
    assert_eq!(findings(source), ["unreachable-rule 3:5 classification[1]", "unreachable-rule 5:5 classification[3]"]);
}

#[test]
fn orderings_that_mix_in_a_band_are_a_warning() {
    let mixed = "queues:\n  vip: {band: live, ordering: strict}\n";
    assert_eq!(findings(mixed), ["mixed-orderings 2:31 queues.vip.ordering"]);
    let apart = "queues:\n  vip: {band: emergency, ordering: strict}\n";
    assert!(findings(apart).is_empty());
    assert_eq!(good(apart).queues[&id("vip")].ordering, Ordering::Strict);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(source in "[ -~\n\t{}\\[\\]:&*|>'\"äé-]{0,200}") {
        let _outcome = parse(&source, 1);
    }

    #[test]
    fn no_change_of_a_good_policy_makes_it_panic(
        at in 0..WHOLE.len(), cut in 0..40_usize, new in "[ -~\n]{0,12}",
    ) {
        let end = (at + cut).min(WHOLE.len());
        let source = format!("{}{new}{}", &WHOLE[..at], &WHOLE[end..]);
        match parse(&source, 1) {
            Ok(parsed) => prop_assert!(parsed.diagnostics.iter().all(|finding| finding.severity != Severity::Error)),
            Err(findings) => prop_assert!(findings.iter().any(|finding| finding.severity == Severity::Error)),
        }
    }

    #[test]
    fn every_place_lies_in_the_document(at in 0..WHOLE.len(), new in "[a-z0-9: ]{1,6}") {
        let source = format!("{}{new}{}", &WHOLE[..at], &WHOLE[at..]);
        let lines: Vec<&str> = source.split('\n').collect();
        for finding in parse(&source, 1).map_or_else(|findings| findings, |parsed| parsed.diagnostics) {
            let line = usize::try_from(finding.line).expect("a line");
            prop_assert!((1..=lines.len()).contains(&line), "{finding:?}");
            let columns = lines[line - 1].chars().count() + 1;
            prop_assert!((1..=columns).contains(&usize::try_from(finding.column).expect("a column")), "{finding:?}");
        }
    }
}
