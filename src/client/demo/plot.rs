//! What a request is about and how its story goes: what the customer wants, when they lose patience, and what each agent who
//! gets the ticket finds out about it. Drawn once, before the morning begins.

use rand::RngExt;
use rand::rngs::StdRng;

use super::traffic::{self, Line};
use crate::clock::Span;
use crate::proto::google::r#type::Money;
use crate::proto::handoff::v1::{
    AuthorityNeed, Channel, EscalationAxis, EscalationReason, OnUnavailable, Requirement, SkillNeed,
};

/// The script of one ticket.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plot {
    pub(super) subject: &'static str,
    pub(super) customer: &'static str,
    pub(super) category: &'static str,
    pub(super) language: &'static str,
    pub(super) needs: Needs,
    pub(super) priority: Option<u32>,
    /// How long the customer waits for somebody. `None`: does not look.
    pub(super) patience: Option<Span>,
    pub(super) leaves: Leaves,
    /// What the first agent finds, the second, and so on; the last one's goes for all who follow.
    pub(super) chapters: Vec<Chapter>,
    /// Writes back once after the answer.
    pub(super) reopens: bool,
}

/// When a customer leaves whatever their patience.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Leaves {
    /// Stays as long as patience lasts.
    No,
    /// Gone before the connector had said that they came: the cancel may overtake the create.
    AtOnce,
    WhileRinging,
    WhileConnecting,
    /// In conversation, after this share of the handling time.
    Talking(f64),
}

/// One agent's part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chapter {
    pub(super) handling: Span,
    pub(super) act: Act,
}

/// What an agent does with a ticket when the handling time is over.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Resolve,
    /// Resolves with a refund of so many euros, if the agent's authority covers it.
    Refund(i64),
    /// Says goodbye and leaves the rest to the queue's `after_contact`.
    HangUp,
    Escalate {
        axis: EscalationAxis,
        reason: EscalationReason,
        needs: Needs,
        note: &'static str,
    },
    TransferToAgent {
        agent: &'static str,
        unavailable: OnUnavailable,
    },
    TransferToNeeds(Needs),
    TransferToQueue(&'static str),
    /// Asks somebody else first; goes on with the next chapter when back.
    Hold {
        wait: Span,
        reason: &'static str,
    },
    Requeue {
        reason: &'static str,
        prefer: bool,
    },
}

/// A requirement in the demonstration's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Needs {
    pub(super) skill: Option<(&'static str, u32)>,
    pub(super) tier: Option<u32>,
    /// Euros of refund.
    pub(super) refund: Option<i64>,
    pub(super) language: &'static str,
}

impl Needs {
    pub(super) fn requirement(&self) -> Requirement {
        let skill = |(skill, level): (&str, u32)| SkillNeed { skill: skill.to_owned(), min_level: Some(level) };
        let refund = |euros| AuthorityNeed { authority: "refund".to_owned(), amount: Some(euro(euros)) };
        Requirement {
            queue: String::new(),
            skills: self.skill.map(skill).into_iter().collect(),
            min_tier: self.tier,
            authorities: self.refund.map(refund).into_iter().collect(),
            language_code: self.language.to_owned(),
        }
    }
}

pub(super) fn euro(units: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), units, nanos: 0 }
}

/// A subject people have trouble with.
struct Topic {
    skill: &'static str,
    subjects: [&'static str; 4],
}

const TOPICS: [Topic; 4] = [
    Topic {
        skill: "billing",
        subjects: [
            "Charged twice in October",
            "Refund has not arrived",
            "Wrong tariff on my bill",
            "Invoice for my firm",
        ],
    },
    Topic {
        skill: "network",
        subjects: [
            "No connection since seven",
            "Slow line every evening",
            "Calls drop on the train",
            "Fault in our street",
        ],
    },
    Topic {
        skill: "device",
        subjects: ["Router blinks red", "Phone does not charge", "Update will not install", "Screen stays black"],
    },
    Topic {
        skill: "orders",
        subjects: ["Parcel has not come", "Change of address", "Cancel my order", "Two boxes instead of one"],
    },
];

const CUSTOMERS: [&str; 12] = [
    "A. Tamm",
    "B. Okafor",
    "C. Lind",
    "D. Novak",
    "E. Rossi",
    "F. Weber",
    "G. Silva",
    "H. Kask",
    "I. Haddad",
    "J. Moore",
    "K. Sato",
    "L. Petit",
];

/// Who may be asked for by name: agents of the cast.
pub(super) const COLLEAGUES: [&str; 5] = ["lea", "max", "nora", "omar", "pia"];

/// Draws the story of one ticket on a channel.
pub(super) fn draw(line: &Line, pace: f64, rng: &mut StdRng) -> Plot {
    let topic = &TOPICS[rng.random_range(0..TOPICS.len())];
    let language = match rng.random_range(0..100) {
        0..8 => "de",
        8..13 => "et",
        _ => "",
    };
    let needs = Needs { skill: Some((topic.skill, rng.random_range(1..=3))), language, ..Needs::default() };
    let leaves = leaves(line.channel, rng);
    Plot {
        subject: topic.subjects[rng.random_range(0..topic.subjects.len())],
        customer: CUSTOMERS[rng.random_range(0..CUSTOMERS.len())],
        category: topic.skill,
        language: if language.is_empty() { "en" } else { language },
        priority: rng.random_bool(0.08).then_some(25),
        patience: line.patience_secs.map(|mean| traffic::exponential(mean * pace, rng)),
        leaves,
        chapters: chapters(line, topic.skill, pace, rng),
        reopens: matches!(line.channel, Channel::Chat | Channel::Email) && rng.random_bool(0.05),
        needs,
    }
}

fn leaves(channel: Channel, rng: &mut StdRng) -> Leaves {
    let mut roll = rng.random::<f64>();
    let live = matches!(channel, Channel::Phone | Channel::Chat);
    let mut falls = |share: f64| {
        roll -= share;
        roll < 0.0
    };
    if falls(0.02) {
        Leaves::AtOnce
    } else if live && falls(0.03) {
        Leaves::WhileRinging
    } else if channel == Channel::Phone && falls(0.03) {
        Leaves::WhileConnecting
    } else if live && falls(0.04) {
        Leaves::Talking(rng.random_range(0.2..0.9))
    } else {
        Leaves::No
    }
}

/// What the agents do, one after the other. The shares are those of a desk whose first line resolves seven of ten.
fn chapters(line: &Line, skill: &'static str, pace: f64, rng: &mut StdRng) -> Vec<Chapter> {
    let roll = rng.random_range(0..100);
    let acts = match roll {
        0..10 => vec![functional(skill, rng)],
        10..18 => vec![hierarchical(rng)],
        18..20 => vec![functional(skill, rng), hierarchical(rng)],
        20..23 => vec![Act::TransferToAgent {
            agent: COLLEAGUES[rng.random_range(0..COLLEAGUES.len())],
            unavailable: if rng.random_bool(0.5) { OnUnavailable::Queue } else { OnUnavailable::Reject },
        }],
        23..26 => {
            let other = TOPICS.iter().find(|topic| topic.skill != skill).map_or(skill, |topic| topic.skill);
            vec![Act::TransferToNeeds(Needs { skill: Some((other, 4)), ..Needs::default() })]
        }
        26..29 => vec![Act::TransferToQueue(queue_beside(line.channel))],
        29..35 => vec![Act::Hold { wait: traffic::span(90.0 * pace), reason: "asks the warehouse" }],
        35..37 => vec![Act::Requeue { reason: "shift ends", prefer: false }],
        37..38 => vec![Act::Requeue { reason: "line dropped", prefer: true }],
        _ => Vec::new(),
    };
    let last = match rng.random_range(0..100) {
        0..8 => Act::Refund(rng.random_range(1..=8) * 10),
        8..40 if line.channel == Channel::Phone => Act::HangUp,
        _ => Act::Resolve,
    };
    let chapter = |act, rng: &mut StdRng| Chapter { handling: traffic::handling(line, pace, rng), act };
    acts.into_iter().chain([last]).map(|act| chapter(act, rng)).collect()
}

/// Where a ticket of the channel is sent by whoever thinks that it belongs elsewhere.
fn queue_beside(channel: Channel) -> &'static str {
    match channel {
        Channel::Phone | Channel::Unspecified => "phone",
        Channel::Chat => "social",
        Channel::Social => "chat",
        Channel::Email => "portal",
        Channel::Portal => "email",
    }
}

fn functional(skill: &'static str, rng: &mut StdRng) -> Act {
    let knows = rng.random_bool(0.75);
    Act::Escalate {
        axis: EscalationAxis::Functional,
        reason: if knows { EscalationReason::InsufficientKnowledge } else { EscalationReason::Miscommunication },
        needs: Needs { skill: Some((skill, 7)), ..Needs::default() },
        note: "Tried the usual steps, needs somebody who knows it better",
    }
}

fn hierarchical(rng: &mut StdRng) -> Act {
    let (reason, needs) = match rng.random_range(0..10) {
        0..5 => {
            let refund = Some(rng.random_range(12..=40) * 10);
            (EscalationReason::AuthorizationRequired, Needs { refund, ..Needs::default() })
        }
        5..8 => (EscalationReason::CustomerDemand, Needs { tier: Some(2), ..Needs::default() }),
        _ => (EscalationReason::CustomerConflict, Needs { tier: Some(3), ..Needs::default() }),
    };
    Act::Escalate {
        axis: EscalationAxis::Hierarchical,
        reason,
        needs,
        note: "The customer wants somebody who may decide",
    }
}

#[cfg(test)]
mod tests {
    use super::super::traffic::{Scale, morning};
    use super::*;

    #[test]
    fn a_morning_has_hang_ups_in_every_phase_and_escalations_on_both_axes() {
        let all = morning(1, Scale::MORNING);
        let some = |found: &dyn Fn(&Plot) -> bool| all.iter().any(|arrival| found(&arrival.plot));
        assert!(some(&|plot| plot.leaves == Leaves::AtOnce));
        assert!(some(&|plot| plot.leaves == Leaves::WhileRinging));
        assert!(some(&|plot| plot.leaves == Leaves::WhileConnecting));
        assert!(some(&|plot| matches!(plot.leaves, Leaves::Talking(_))));
        for axis in [EscalationAxis::Functional, EscalationAxis::Hierarchical] {
            let on_axis = |act: &Act| matches!(act, Act::Escalate { axis: taken, .. } if *taken == axis);
            assert!(some(&|plot| plot.chapters.iter().any(|chapter| on_axis(&chapter.act))));
        }
    }

    #[test]
    fn every_story_ends_with_an_answer() {
        for arrival in morning(2, Scale::MORNING) {
            let last = arrival.plot.chapters.last().map(|chapter| chapter.act.clone());
            assert!(matches!(last, Some(Act::Resolve | Act::Refund(_) | Act::HangUp)), "{last:?}");
        }
    }

    #[test]
    fn a_call_never_changes_to_a_queue_of_another_pool() {
        assert_eq!(queue_beside(Channel::Phone), "phone");
        assert_eq!(queue_beside(Channel::Email), "portal");
    }
}
