//! The people and the channel adapters of the demonstration's desk.

use super::plot::euro;
use crate::proto::handoff::v1::{Accepts, Agent, Authority, Channel, ChannelRule, Connector, Endpoint, Skill};

/// An agent as written here, and how they behave.
pub(super) struct Member {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) tier: u32,
    pub(super) skills: &'static [(&'static str, u32)],
    pub(super) languages: &'static [&'static str],
    /// Euros of refund.
    pub(super) refund: Option<i64>,
    /// Share of offers turned down.
    pub(super) declines: f64,
    /// Share of offers left to ring.
    pub(super) misses: f64,
    pub(super) work: Work,
    pub(super) place: Place,
}

/// What of the pool LIVE a member takes. E-mail and portal everybody does who has a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Both,
    Calls,
    Writing,
}

/// How a member is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A screen: accepts there, on every channel.
    Desktop,
    /// A screen whose headset picks up by itself.
    Headset,
    /// A screen, with portal requests as mail: the mailbox reaches them.
    MailClient,
    /// Nothing but a phone: the phone connector holds the session, answering is accepting.
    Handset,
}

const fn member(id: &'static str, name: &'static str, tier: u32, skills: &'static [(&'static str, u32)]) -> Member {
    Member {
        id,
        name,
        tier,
        skills,
        languages: &["en"],
        refund: None,
        declines: 0.02,
        misses: 0.015,
        work: Work::Both,
        place: Place::Desktop,
    }
}

const EN_DE: &[&str] = &["en", "de"];
const EN_ET: &[&str] = &["en", "et"];
const ALL_LANGUAGES: &[&str] = &["en", "de", "et"];
const PHONE_SKILLS: &[(&str, u32)] = &[("billing", 3), ("device", 4), ("network", 4), ("orders", 3)];

/// Eleven in the first line, six experts, three who may decide. Most write or take calls, not both: a chat would keep the
/// phone from ringing, for both use the pool LIVE.
pub(super) const MEMBERS: [Member; 20] = [
    Member { languages: EN_DE, work: Work::Calls, ..member("ada", "Ada", 1, &[("billing", 4), ("orders", 3)]) },
    Member { declines: 0.12, work: Work::Calls, ..member("bo", "Bo", 1, &[("device", 3), ("network", 4)]) },
    Member { work: Work::Writing, ..member("cem", "Cem", 1, &[("billing", 3), ("device", 2), ("orders", 4)]) },
    Member { languages: EN_DE, work: Work::Calls, ..member("dina", "Dina", 1, &[("device", 4), ("network", 3)]) },
    Member {
        languages: EN_ET,
        work: Work::Writing,
        place: Place::MailClient,
        ..member("eli", "Eli", 1, &[("billing", 3), ("network", 2), ("orders", 5)])
    },
    Member { languages: EN_DE, work: Work::Calls, ..member("fay", "Fay", 1, &[("device", 4), ("network", 3)]) },
    Member { place: Place::Handset, ..member("gus", "Gus", 1, PHONE_SKILLS) },
    Member {
        languages: EN_ET,
        work: Work::Writing,
        ..member("hana", "Hana", 1, &[("billing", 4), ("device", 3), ("network", 3)])
    },
    Member { place: Place::Handset, misses: 0.06, ..member("ivo", "Ivo", 1, PHONE_SKILLS) },
    Member {
        languages: EN_DE,
        work: Work::Writing,
        place: Place::MailClient,
        ..member("jana", "Jana", 1, &[("device", 3), ("network", 3), ("orders", 4)])
    },
    Member {
        languages: EN_ET,
        misses: 0.15,
        work: Work::Calls,
        ..member("kai", "Kai", 1, &[("billing", 2), ("device", 3), ("orders", 3)])
    },
    Member { languages: EN_DE, refund: Some(100), ..member("lea", "Lea", 2, &[("billing", 8), ("orders", 6)]) },
    Member {
        languages: EN_DE,
        refund: Some(100),
        declines: 0.08,
        ..member("max", "Max", 2, &[("device", 6), ("network", 8)])
    },
    Member { languages: EN_ET, refund: Some(100), ..member("nora", "Nora", 2, &[("device", 8), ("network", 7)]) },
    Member {
        languages: EN_DE,
        refund: Some(100),
        place: Place::MailClient,
        ..member("omar", "Omar", 2, &[("billing", 7), ("orders", 8)])
    },
    Member { languages: EN_ET, refund: Some(150), ..member("pia", "Pia", 2, &[("billing", 7), ("network", 7)]) },
    Member {
        languages: EN_DE,
        refund: Some(100),
        work: Work::Calls,
        place: Place::Headset,
        ..member("quin", "Quin", 2, &[("device", 7), ("orders", 7)])
    },
    Member {
        languages: ALL_LANGUAGES,
        refund: Some(1000),
        ..member("rosa", "Rosa", 3, &[("billing", 9), ("device", 9), ("network", 9), ("orders", 9)])
    },
    Member {
        languages: EN_DE,
        refund: Some(1000),
        ..member("sten", "Sten", 3, &[("billing", 8), ("device", 8), ("network", 8), ("orders", 8)])
    },
    Member {
        languages: ALL_LANGUAGES,
        refund: Some(500),
        ..member("tiina", "Tiina", 3, &[("billing", 8), ("device", 7), ("network", 7), ("orders", 8)])
    },
];

/// Who loses the connection in mid-morning.
pub(super) const UNLUCKY: &str = "dina";

/// Connector id, name, channels.
pub(super) const CONNECTORS: [(&str, &str, &[Channel]); 5] = [
    ("phone", "Telephone exchange", &[Channel::Phone]),
    ("chat", "Chat on the web site", &[Channel::Chat]),
    ("social", "Social media", &[Channel::Social]),
    ("mailbox", "Mailbox", &[Channel::Email, Channel::Portal]),
    ("portal", "Customer portal", &[Channel::Portal]),
];

pub(super) fn find(id: &str) -> Option<&'static Member> {
    MEMBERS.iter().find(|member| member.id == id)
}

pub(super) fn connector(name: &str, channels: &[Channel]) -> Connector {
    Connector {
        display_name: name.to_owned(),
        channels: channels.iter().map(|channel| i32::from(*channel)).collect(),
        ..Connector::default()
    }
}

impl Member {
    pub(super) fn agent(&self, desk: &str) -> Agent {
        let skill = |(skill, level): &(&str, u32)| Skill { skill: (*skill).to_owned(), level: Some(*level) };
        let refund = |euros| Authority { authority: "refund".to_owned(), limit: Some(euro(euros)) };
        Agent {
            display_name: self.name.to_owned(),
            team: if self.tier == 1 { "first-line" } else { "experts" }.to_owned(),
            tier: Some(self.tier),
            skills: self.skills.iter().map(skill).collect(),
            language_codes: self.languages.iter().map(|code| (*code).to_owned()).collect(),
            authorities: self.refund.map(refund).into_iter().collect(),
            channels: self.channels(),
            endpoints: self.endpoints(desk),
            ..Agent::default()
        }
    }

    /// Channels that are not theirs. Somebody with only a phone takes nothing else.
    fn channels(&self) -> Vec<ChannelRule> {
        let others: &[Channel] = match (self.place, self.work) {
            (Place::Handset, _) => &[Channel::Chat, Channel::Social, Channel::Email, Channel::Portal],
            (_, Work::Calls) => &[Channel::Chat, Channel::Social],
            (_, Work::Writing) => &[Channel::Phone],
            (_, Work::Both) => &[],
        };
        let none =
            |channel: &Channel| ChannelRule { channel: i32::from(*channel), max: Some(0), ..ChannelRule::default() };
        others.iter().map(none).collect()
    }

    fn endpoints(&self, desk: &str) -> Vec<Endpoint> {
        let number = MEMBERS.iter().position(|member| member.id == self.id).unwrap_or_default();
        let endpoint = |channel, connector: &str, address: String, accepts| Endpoint {
            channel: i32::from(channel),
            connector: format!("{desk}/connectors/{connector}"),
            address,
            accepts: i32::from(accepts),
            ..Endpoint::default()
        };
        let accepts = match self.place {
            Place::Desktop | Place::MailClient => Accepts::Desktop,
            Place::Headset => Accepts::Auto,
            Place::Handset => Accepts::Endpoint,
        };
        let mut all = vec![endpoint(Channel::Phone, "phone", format!("tel:+37255501{number:02}"), accepts)];
        if self.place == Place::MailClient {
            let address = format!("mailto:{}@desk.example", self.id);
            all.push(endpoint(Channel::Portal, "mailbox", address, Accepts::Desktop));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::plot::COLLEAGUES;
    use super::*;

    #[test]
    fn twenty_agents_of_three_tiers_two_of_them_with_only_a_phone() {
        let ids: BTreeSet<_> = MEMBERS.iter().map(|member| member.id).collect();
        assert_eq!(ids.len(), 20);
        assert_eq!(MEMBERS.iter().map(|member| member.tier).collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3]));
        assert_eq!(MEMBERS.iter().filter(|member| member.place == Place::Handset).count(), 2);
        assert!(COLLEAGUES.iter().all(|id| ids.contains(id)));
        assert!(find(UNLUCKY).is_some_and(|member| member.place == Place::Desktop));
    }

    #[test]
    fn somebody_with_only_a_phone_answers_there_and_takes_nothing_else() {
        let gus = find("gus").expect("in the cast").agent("desks/demo");
        assert_eq!(gus.endpoints[0].accepts(), Accepts::Endpoint);
        assert_eq!(gus.endpoints[0].connector, "desks/demo/connectors/phone");
        assert!(gus.channels.iter().all(|rule| rule.max == Some(0)));
        assert_eq!(gus.channels.len(), 4);
    }
}
