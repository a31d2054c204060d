//! Reading a connector's settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::connector::{Connector, Reach};
use crate::domain::id::ConnectorId;
use crate::domain::requirement::Channel;
use crate::domain::time::Time;
use crate::grpc::form::{Form, Mask};
use crate::proto::handoff::v1 as pb;
use crate::routing::command::ConnectorPatch;

/// Bytes of a name for people.
const DISPLAY_NAME: usize = 256;
/// The fields that an update may name.
const FIELDS: [&str; 5] = ["display_name", "channels", "confirmations", "affinity", "kinds"];

/// A new connector; its versions and times are the desk's to give.
pub(super) fn new(form: &mut Form, id: Option<ConnectorId>, asked: &pb::Connector) -> Option<Connector> {
    let patch = patch(form, asked, |_| true);
    let reach = form.choice_if_said("connector.reach", asked.reach).unwrap_or_default();
    let channels = patch.channels.unwrap_or_default();
    if reach == Reach::Channel && channels.is_empty() {
        form.refuse("connector.channels", "is required with reach CHANNEL");
    }
    Some(Connector {
        id: id?,
        ver: 0,
        display_name: patch.display_name.unwrap_or_default(),
        reach,
        channels,
        confirmation: patch.confirmation.unwrap_or_default(),
        affinity: patch.affinity.flatten(),
        kinds: patch.kinds.unwrap_or_default(),
        create_time: Time::default(),
        update_time: Time::default(),
        deleted: false,
        away: false,
    })
}

/// What an update changes.
pub(super) fn update(form: &mut Form, asked: &pb::Connector, mask: Option<&prost_types::FieldMask>) -> ConnectorPatch {
    let set = [
        !asked.display_name.is_empty(),
        !asked.channels.is_empty(),
        !asked.confirmations.is_empty(),
        asked.affinity != 0,
        !asked.kinds.is_empty(),
    ];
    let known: Vec<_> = FIELDS.into_iter().zip(set).collect();
    let mask: Mask = form.mask(mask, &known);
    patch(form, asked, |field| mask.has(field))
}

fn patch(form: &mut Form, asked: &pb::Connector, wanted: impl Fn(&str) -> bool) -> ConnectorPatch {
    let display_name = form.line("connector.display_name", &asked.display_name, DISPLAY_NAME);
    let channels = channels(form, "connector.channels", &asked.channels);
    let confirmation = confirmations(form, &asked.confirmations);
    let affinity = form.choice_if_said("connector.affinity", asked.affinity);
    let kinds = kinds(form, "connector.kinds", &asked.kinds);
    ConnectorPatch {
        display_name: wanted("display_name").then_some(display_name),
        channels: wanted("channels").then_some(channels),
        confirmation: wanted("confirmations").then_some(confirmation),
        affinity: wanted("affinity").then_some(affinity),
        kinds: wanted("kinds").then_some(kinds),
    }
}

fn channels(form: &mut Form, field: &str, numbers: &[i32]) -> BTreeSet<Channel> {
    let mut found = BTreeSet::new();
    for (at, number) in numbers.iter().enumerate() {
        let field = format!("{field}[{at}]");
        let Some(channel) = form.choice(&field, *number) else { continue };
        if !found.insert(channel) {
            form.refuse(field, "is named twice");
        }
    }
    found
}

fn confirmations(form: &mut Form, asked: &[pb::ChannelConfirmation]) -> BTreeMap<Channel, bool> {
    let mut found = BTreeMap::new();
    for (at, each) in asked.iter().enumerate() {
        let field = format!("connector.confirmations[{at}]");
        let Some(required) = each.required else {
            form.refuse(format!("{field}.required"), "is required");
            continue;
        };
        let field = format!("{field}.channel");
        let Some(channel) = form.choice(&field, each.channel) else { continue };
        if found.insert(channel, required).is_some() {
            form.refuse(field, "is named twice");
        }
    }
    found
}

/// Kinds of decision, by the words that the domain has for them.
pub(super) fn kinds(form: &mut Form, field: &str, numbers: &[i32]) -> BTreeSet<Arc<str>> {
    let mut found = BTreeSet::new();
    for (at, number) in numbers.iter().enumerate() {
        let field = format!("{field}[{at}]");
        match pb::DecisionKind::try_from(*number) {
            Ok(pb::DecisionKind::Unspecified) | Err(_) => form.refuse(field, "must be a kind of decision"),
            Ok(kind) => {
                if !found.insert(kind_word(kind)) {
                    form.refuse(field, "is named twice");
                }
            }
        }
    }
    found
}

/// `DECISION_KIND_LEG_ENDED` is `leg_ended`.
fn kind_word(kind: pb::DecisionKind) -> Arc<str> {
    Arc::from(kind.as_str_name().trim_start_matches("DECISION_KIND_").to_ascii_lowercase().as_str())
}

/// The number of a kind by its word; 0 for one that the API does not have.
pub(in crate::grpc) fn kind_number(word: &str) -> i32 {
    let name = format!("DECISION_KIND_{}", word.to_ascii_uppercase());
    pb::DecisionKind::from_str_name(&name).unwrap_or(pb::DecisionKind::Unspecified) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(asked: &pb::Connector) -> (Result<(), tonic::Status>, Option<Connector>) {
        let mut form = Form::new();
        let id = ConnectorId::parse("web").ok();
        let connector = new(&mut form, id, asked);
        (form.check(), connector)
    }

    fn fields(result: Result<(), tonic::Status>) -> String {
        result.expect_err("something is wrong").message().to_owned()
    }

    #[test]
    fn every_kind_of_decision_has_the_domains_word() {
        for number in 1..=20 {
            let kind = pb::DecisionKind::try_from(number).expect("20 kinds");
            assert_eq!(kind_number(&kind_word(kind)), number);
        }
        assert_eq!(kind_word(pb::DecisionKind::OfferRevoked).as_ref(), "offer_revoked");
    }

    #[test]
    fn everything_that_is_wrong_with_a_connector_is_named() {
        let asked = pb::Connector {
            reach: pb::ConnectorReach::Channel as i32,
            confirmations: vec![pb::ChannelConfirmation { channel: 1, required: None }],
            affinity: 9,
            kinds: vec![0, 1, 1],
            ..pb::Connector::default()
        };
        let message = fields(read(&asked).0);
        let wrong = ["channels", "confirmations[0].required", "affinity", "kinds[0]", "kinds[2]"];
        for field in wrong {
            assert!(message.contains(&format!("connector.{field}: ")), "{field} in {message}");
        }
        let twice = pb::Connector { channels: vec![2, 2], ..pb::Connector::default() };
        assert!(fields(read(&twice).0).contains("connector.channels[1]: "));
    }

    #[test]
    fn a_connector_is_its_own_tickets_on_all_channels_unless_it_says_otherwise() {
        let (valid, connector) = read(&pb::Connector::default());
        assert!(valid.is_ok());
        let connector = connector.expect("valid");
        assert_eq!((connector.reach, connector.channels.len(), connector.kinds.len()), (Reach::Own, 0, 0));
    }

    #[test]
    fn an_update_changes_what_its_mask_names_or_what_is_set() {
        let asked = pb::Connector { kinds: vec![1], ..pb::Connector::default() };
        let without = update(&mut Form::new(), &asked, None);
        assert_eq!((without.kinds.map(|kinds| kinds.len()), without.channels), (Some(1), None));
        let mask = prost_types::FieldMask { paths: vec!["channels".into()] };
        let masked = update(&mut Form::new(), &asked, Some(&mask));
        assert_eq!((masked.kinds, masked.channels), (None, Some(BTreeSet::new())));
    }
}
