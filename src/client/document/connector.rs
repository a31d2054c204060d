//! Connectors in a document.

use super::write::{Field, Resource, list, map, quoted, scalar};
use super::{CHANNELS, Stated, by_channel, places, text, word_of};
use crate::proto::handoff::v1;
use crate::yaml::Key;
use crate::yaml::reader::{At, Reader};

const KEYS: &[&str] = &["display_name", "reach", "channels", "confirmations", "affinity", "kinds"];
const REACHES: [(&str, v1::ConnectorReach); 3] =
    [("own", v1::ConnectorReach::Own), ("channel", v1::ConnectorReach::Channel), ("desk", v1::ConnectorReach::Desk)];
const AFFINITIES: [(&str, v1::ConnectorAffinity); 2] =
    [("any", v1::ConnectorAffinity::Any), ("instance", v1::ConnectorAffinity::Instance)];

pub fn read(reader: &mut Reader, desk: &str, key: &Key, at: &At<'_>) -> Stated<v1::Connector> {
    let fields = reader.fields(at, KEYS);
    let mut connector = v1::Connector {
        name: format!("desks/{desk}/connectors/{}", key.name),
        display_name: text(reader, &fields, "display_name"),
        ..v1::Connector::default()
    };
    if let Some(reach) = fields.get("reach").and_then(|at| reader.one_of(&at, &REACHES)) {
        connector.set_reach(reach);
    }
    if let Some(affinity) = fields.get("affinity").and_then(|at| reader.one_of(&at, &AFFINITIES)) {
        connector.set_affinity(affinity);
    }
    if let Some(at) = fields.get("channels") {
        let items = reader.list(&at);
        let channels = items.iter().filter_map(|item| reader.one_of(item, &CHANNELS));
        connector.channels = channels.map(i32::from).collect();
    }
    if let Some(at) = fields.get("confirmations") {
        for (channel, at) in by_channel(reader, &at) {
            let required = reader.flag(&at);
            connector.confirmations.push(v1::ChannelConfirmation { channel: channel.into(), required });
        }
    }
    if let Some(at) = fields.get("kinds") {
        let words: Vec<(String, i32)> = (1..).map_while(|number| Some((kind_word(number)?, number))).collect();
        let words: Vec<(&str, i32)> = words.iter().map(|(word, number)| (word.as_str(), *number)).collect();
        let items = reader.list(&at);
        connector.kinds = items.iter().filter_map(|item| reader.one_of(item, &words)).collect();
    }
    let names = KEYS.iter().map(|key| (*key, *key)).collect::<Vec<_>>();
    Stated { resource: connector, place: key.place, fields: places(&fields, &names) }
}

/// `DECISION_KIND_OFFER_REVOKED` is `offer_revoked`.
fn kind_word(number: i32) -> Option<String> {
    let kind = v1::DecisionKind::try_from(number).ok()?;
    Some(kind.as_str_name().strip_prefix("DECISION_KIND_")?.to_ascii_lowercase())
}

impl Resource for v1::Connector {
    fn name(&self) -> &str {
        &self.name
    }

    fn fields(&self) -> Vec<Field> {
        let number = |number: i32| format!("\"{number}\"");
        let channel = |channel: i32| word_of(&CHANNELS, channel).map_or_else(|| number(channel), str::to_owned);
        let reach = word_of(&REACHES, self.reach).filter(|reach| *reach != "own").unwrap_or_default();
        let affinity = word_of(&AFFINITIES, self.affinity).unwrap_or_default();
        let mut channels = self.channels.clone();
        channels.sort_unstable();
        let mut kinds = self.kinds.clone();
        kinds.sort_unstable();
        // What is stated and what is the channel's default are the same to a connector.
        let differs = |entry: &&v1::ChannelConfirmation| entry.required() != (entry.channel() == v1::Channel::Phone);
        let mut confirmations: Vec<_> = self.confirmations.iter().filter(differs).collect();
        confirmations.sort_by_key(|entry| entry.channel);
        let confirmations = confirmations.iter().map(|entry| (channel(entry.channel), entry.required().to_string()));
        vec![
            Field::new("display_name", "display_name", scalar(&self.display_name)),
            Field::new("reach", "reach", reach.to_owned()),
            Field::new("channels", "channels", list(channels.into_iter().map(channel))),
            Field::new("confirmations", "confirmations", map(confirmations)),
            Field::new("affinity", "affinity", affinity.to_owned()),
            Field::new(
                "kinds",
                "kinds",
                list(kinds.into_iter().map(|kind| kind_word(kind).map_or_else(|| number(kind), |word| quoted(&word)))),
            ),
        ]
    }
}
