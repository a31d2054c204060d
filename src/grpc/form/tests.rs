//! What a form refuses, and under which field.

use std::collections::BTreeMap;

use prost_types::{Duration, FieldMask, Timestamp};
use tonic_types::StatusExt;

use super::*;
use crate::domain::leg::EndedBy;
use crate::domain::requirement::{Amount, Channel};
use crate::domain::time::{Span, Time};
use crate::proto::google::r#type::Money;
use crate::proto::handoff::v1 as pb;

/// The fields that a reading refuses.
fn refused<R>(read: impl FnOnce(&mut Form) -> R) -> Vec<String> {
    let mut form = Form::new();
    read(&mut form);
    let Err(status) = form.check() else { return Vec::new() };
    let violations =
        status.get_error_details().bad_request().expect("every refusal names fields").field_violations.clone();
    violations.into_iter().map(|it| it.field).collect()
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let need = pb::Requirement {
        skills: vec![
            pb::SkillNeed { skill: "a".into(), min_level: Some(11) },
            pb::SkillNeed { skill: String::new(), min_level: None },
        ],
        min_tier: Some(0),
        authorities: vec![pb::AuthorityNeed { authority: "refund".into(), amount: Some(money("eur", -1, 0)) }],
        language_code: "d".into(),
        queue: "Billing".into(),
    };
    let mut fields = refused(|form| {
        form.requirement("ticket.requirement", Some(&need));
        form.desk("parent", "desks/A");
    });
    fields.sort();
    let under = |field: &str| format!("ticket.requirement.{field}");
    let expected = [
        "parent".to_owned(),
        under("authorities[0].amount.currency_code"),
        under("authorities[0].amount.units"),
        under("language_code"),
        under("min_tier"),
        under("queue"),
        under("skills[0].min_level"),
        under("skills[1].skill"),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn a_skill_or_authority_is_listed_once() {
    let skill = |name: &str| pb::SkillNeed { skill: name.into(), min_level: None };
    let need = pb::Requirement { skills: vec![skill("a"), skill("b"), skill("a")], ..pb::Requirement::default() };
    assert_eq!(refused(|form| form.requirement("r", Some(&need))), ["r.skills[2].skill"]);
    let many = (0..26).map(|n| skill(&n.to_string())).collect();
    let need = pb::Requirement { skills: many, ..pb::Requirement::default() };
    assert_eq!(refused(|form| form.requirement("r", Some(&need))), ["r.skills"]);
}

fn money(currency: &str, units: i64, nanos: i32) -> Money {
    Money { currency_code: currency.into(), units, nanos }
}

#[test]
fn money_is_whole_millionths_and_not_negative() {
    let read = |money: &Money| Form::new().amount("m", money).map(|Amount { micros, .. }| micros);
    assert_eq!(read(&money("EUR", 12, 340_000_000)), Some(12_340_000));
    assert_eq!(read(&money("EUR", 0, 1_000)), Some(1));
    assert_eq!(read(&money("EUR", 9_223_372_036_853, 0)), Some(9_223_372_036_853_000_000));
    let table = [
        (money("EUR", -1, 0), "m.units"),
        (money("EUR", 1, -1_000), "m.nanos"),
        (money("EUR", 0, 1), "m.nanos"),
        (money("EUR", 0, 1_000_000_000), "m.nanos"),
        (money("EUR", i64::MAX, 0), "m.units"),
        (money("EURO", 1, 0), "m.currency_code"),
        (money("", 1, 0), "m.currency_code"),
    ];
    for (money, field) in table {
        assert_eq!(refused(|form| form.amount("m", &money)), [field], "{money:?}");
    }
}

#[test]
fn times_and_spans_outside_their_range_are_refused() {
    let time = |seconds, nanos| Form::new().time("t", Some(&Timestamp { seconds, nanos }));
    assert_eq!(time(1, 999_999_999), Some(Time(1_999_999)));
    assert_eq!(time(-1, 0), Some(Time(-1_000_000)));
    for (seconds, nanos) in [(i64::MAX, 0), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000)] {
        assert_eq!(time(seconds, nanos), None);
        assert_eq!(refused(|form| form.time("t", Some(&Timestamp { seconds, nanos }))), ["t"]);
    }
    assert_eq!(Form::new().span("s", Some(&Duration { seconds: 2, nanos: 1_000 })), Some(Span(2_000_001)));
    assert_eq!(refused(|form| form.span("s", Some(&Duration { seconds: -1, nanos: 0 }))), ["s"]);
}

#[test]
fn an_enum_that_is_missing_unknown_or_not_allowed_is_refused() {
    assert_eq!(Form::new().choice("c", 2), Some(Channel::Chat));
    for number in [0, 6, -1] {
        assert_eq!(refused(|form| form.choice::<Channel>("c", number)), ["c"]);
    }
    assert_eq!(refused(|form| form.choice_if_said::<Channel>("c", 0)), [""; 0]);
    let allowed = [EndedBy::Agent];
    assert_eq!(refused(|form| form.choice_of("e", 4, &allowed)), ["e"]);
    let mut form = Form::new();
    form.choice_of("e", 4, &allowed);
    assert_eq!(form.check().expect_err("refused").message(), "e: must be one of AGENT, not SYSTEM");
}

#[test]
fn texts_are_bounded_and_free_of_control_characters() {
    assert_eq!(refused(|form| form.short("a", &"ä".repeat(63))), [""; 0]);
    assert_eq!(refused(|form| form.short("a", &"ä".repeat(64))), ["a"]);
    assert_eq!(refused(|form| form.line("a", &"ä".repeat(129), 256)), ["a"]);
    for bad in ["a\0b", "a\nb", "a\u{7f}", "\u{85}"] {
        assert_eq!(refused(|form| form.line("a", bad, 256)), ["a"], "{bad:?}");
    }
    assert_eq!(refused(|form| form.note("a", "one\r\n\ttwo", 20)), [""; 0]);
    assert_eq!(refused(|form| form.prose("a", "one\0", 20)), ["a"]);
    for good in ["", "de", "de-AT", "zh-Hant-TW", "x1-y"] {
        let fields = refused(|form| form.language("l", good));
        assert_eq!(fields.is_empty(), good != "x1-y", "{good}");
    }
    assert_eq!(&*Form::new().language("l", "de-AT"), "de-at");
}

#[test]
fn labels_are_bounded_one_by_one_and_in_all() {
    let labels = |pairs: &[(&str, usize)]| {
        let pairs: BTreeMap<_, _> = pairs.iter().map(|(key, length)| (key.to_string(), "x".repeat(*length))).collect();
        refused(|form| form.labels("l", &pairs))
    };
    assert_eq!(labels(&[("a", 256)]), [""; 0]);
    assert_eq!(labels(&[("a", 257)]), ["l[\"a\"]"]);
    assert_eq!(labels(&[("", 1)]), ["l"]);
    let many: BTreeMap<_, _> = (0..101).map(|n| (n.to_string(), String::new())).collect();
    assert_eq!(refused(|form| form.labels("l", &many)), ["l"]);
    let large: BTreeMap<_, _> = (0..100).map(|n| (format!("{n:0>150}"), "x".repeat(200))).collect();
    assert_eq!(refused(|form| form.labels("l", &large)), ["l"]);
}

#[test]
fn ids_have_their_usual_spelling() {
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    assert!(Form::new().request_id(uuid).is_some());
    for bad in ["x", "0123456789abcdef0123456789abcdef", "{01234567-89ab-cdef-0123-456789abcdef}"] {
        assert_eq!(refused(|form| form.request_id(bad)), ["request_id"], "{bad}");
    }
    assert_eq!(Form::new().etag("e", "17"), Some(17));
    for bad in ["+1", "-1", "x", "1.0", " 1", "99999999999999999999"] {
        assert_eq!(refused(|form| form.etag("e", bad)), ["e"], "{bad}");
    }
}

#[test]
fn another_desks_resources_are_refused() {
    let mut form = Form::new();
    let desk = form.desk("parent", "desks/a");
    assert!(form.agent_of(desk.as_ref(), "agent", "desks/a/agents/x").is_some());
    assert!(form.agent_of(desk.as_ref(), "agent", "desks/b/agents/x").is_none());
    let status = form.check().expect_err("refused");
    assert_eq!(status.message(), "agent: must be of the same desk, desks/a");
}

#[test]
fn a_mask_names_known_fields_or_everything() {
    let known = [("a", true), ("b", false)];
    let read = |paths: &[&str]| {
        let mask = FieldMask { paths: paths.iter().map(ToString::to_string).collect() };
        let mut form = Form::new();
        let fields: Vec<_> = form.mask(Some(&mask), &known).fields().collect();
        form.check().map(|()| fields).map_err(|status| status.message().to_owned())
    };
    assert_eq!(Form::new().mask(None, &known).fields().collect::<Vec<_>>(), ["a"]);
    assert_eq!(read(&[]), Ok(vec!["a"]));
    assert_eq!(read(&["*"]), Ok(vec!["a", "b"]));
    assert_eq!(read(&["b", "b"]), Ok(vec!["b"]));
    assert_eq!(read(&["b", "c"]), Err("update_mask.paths[1]: must be one of a, b, or `*` alone".to_owned()));
    assert_eq!(read(&["*", "a"]), Err("update_mask.paths[0]: `*` must stand alone".to_owned()));
}

#[test]
fn what_does_not_exist_yet_is_unsupported_unless_something_is_wrong_too() {
    let reason = |form: Form| {
        let status = form.check().expect_err("refused");
        status.get_error_details().error_info().map(|said| said.reason.clone()).expect("a reason")
    };
    let mut form = Form::new();
    form.unsupported("kind", "later");
    assert_eq!(reason(form), "UNSUPPORTED");
    let mut form = Form::new();
    form.unsupported("kind", "later");
    form.refuse("name", "is required");
    assert_eq!(reason(form), "INVALID_FIELD");
}
