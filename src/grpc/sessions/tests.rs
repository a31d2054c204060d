//! Secrets and welcomes.

use uuid::Uuid;

use super::*;

fn named(agent: &str) -> AgentRef {
    name::parse_agent(&format!("desks/north/agents/{agent}")).expect("valid")
}

#[test]
fn the_secret_under_a_request_id_is_the_same_for_a_repeat_and_for_nobody_else() {
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let secret = derived_secret(&named("ann"), one);
    assert_eq!(secret.len(), 2 * SECRET);
    assert_eq!(secret, derived_secret(&named("ann"), one));
    assert_ne!(secret, derived_secret(&named("ann"), other));
    assert_ne!(secret, derived_secret(&named("bob"), one));
}

#[test]
fn a_secret_that_no_welcome_gave_is_refused_by_its_form() {
    for (secret, is_wrong) in [("", false), ("0123456789abcdef0123456789ABCDEF", false), ("x", true), ("zz", true)] {
        let mut form = Form::new();
        let read = asked(&mut form, "hello.", Some(named("ann")), "desktop", 0, secret);
        assert_eq!(read.and_then(|read| read.shown), (!secret.is_empty()).then(|| secret.to_ascii_lowercase()));
        assert_eq!(form.check().is_err_and(|status| status.message().starts_with("hello.secret: ")), is_wrong);
    }
}
