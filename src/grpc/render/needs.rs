//! Needs, money, customers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::requirement::{Amount, Requirement};
use crate::domain::ticket::Customer;
use crate::proto::google::r#type::Money;
use crate::proto::handoff::v1 as pb;

pub fn requirement(need: &Requirement) -> pb::Requirement {
    let skill = |(skill, level): (&Arc<str>, &u8)| pb::SkillNeed {
        skill: skill.to_string(),
        min_level: Some(u32::from(*level)),
    };
    let authority = |(authority, covered): (&Arc<str>, &Option<Amount>)| pb::AuthorityNeed {
        authority: authority.to_string(),
        amount: covered.as_ref().map(amount),
    };
    pb::Requirement {
        queue: need.queue.as_ref().map(ToString::to_string).unwrap_or_default(),
        skills: need.skills.iter().map(skill).collect(),
        min_tier: need.min_tier.map(u32::from),
        authorities: need.authorities.iter().map(authority).collect(),
        language_code: need.language.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

pub fn amount(amount: &Amount) -> Money {
    let nanos = i32::try_from(amount.micros % 1_000_000 * 1_000).expect("less than a unit");
    Money { currency_code: amount.currency.to_string(), units: amount.micros / 1_000_000, nanos }
}

pub fn customer(customer: &Customer) -> pb::Customer {
    pb::Customer {
        id: customer.id.to_string(),
        display_name: customer.display_name.to_string(),
        address: customer.address.to_string(),
        attributes: attributes(&customer.attributes),
    }
}

/// Labels, or a customer's attributes.
pub fn attributes(pairs: &BTreeMap<Arc<str>, Arc<str>>) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}
