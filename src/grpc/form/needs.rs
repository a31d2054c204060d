//! Requirements.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Form;
use crate::domain::requirement::{Amount, Requirement};
use crate::proto::handoff::v1 as pb;

/// Skills, or authorities, of one need.
const MAX_EACH: usize = 25;

impl Form {
    /// A need; absent: nothing is needed.
    pub fn requirement(&mut self, field: &str, asked: Option<&pb::Requirement>) -> Requirement {
        let Some(asked) = asked else { return Requirement::default() };
        let language = self.language(&format!("{field}.language_code"), &asked.language_code);
        Requirement {
            team: None,
            queue: self.queue(&format!("{field}.queue"), &asked.queue),
            skills: self.skills(&format!("{field}.skills"), &asked.skills),
            min_tier: self.number(&format!("{field}.min_tier"), asked.min_tier, 1..=9),
            authorities: self.authorities(&format!("{field}.authorities"), &asked.authorities),
            language: Some(language).filter(|language| !language.is_empty()),
        }
    }

    fn skills(&mut self, field: &str, asked: &[pb::SkillNeed]) -> BTreeMap<Arc<str>, u8> {
        self.at_most(field, asked.len(), MAX_EACH);
        let mut skills = BTreeMap::new();
        for (at, need) in asked.iter().enumerate() {
            let path = format!("{field}[{at}]");
            let name = self.named(&format!("{path}.skill"), &need.skill);
            let level = self.number(&format!("{path}.min_level"), need.min_level.or(Some(1)), 1..=10);
            if let (Some(name), Some(level)) = (name, level)
                && skills.insert(name.clone(), level).is_some()
            {
                self.refuse(format!("{path}.skill"), format!("{name} is listed twice"));
            }
        }
        skills
    }

    fn authorities(&mut self, field: &str, asked: &[pb::AuthorityNeed]) -> BTreeMap<Arc<str>, Option<Amount>> {
        self.at_most(field, asked.len(), MAX_EACH);
        let mut authorities = BTreeMap::new();
        for (at, need) in asked.iter().enumerate() {
            let path = format!("{field}[{at}]");
            let amount = need.amount.as_ref().and_then(|money| self.amount(&format!("{path}.amount"), money));
            if let Some(name) = self.named(&format!("{path}.authority"), &need.authority)
                && authorities.insert(name.clone(), amount).is_some()
            {
                self.refuse(format!("{path}.authority"), format!("{name} is listed twice"));
            }
        }
        authorities
    }

    /// Bounds a list.
    pub fn at_most(&mut self, field: &str, found: usize, most: usize) {
        if found > most {
            self.refuse(field, format!("has {found} entries; at most {most} are allowed"));
        }
    }
}
