//! What people wrote on a ticket.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::time::Time;

/// What somebody wrote or dialled. Kept apart from the row's other columns and never in the log, Redis, logs or metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub external_id: Arc<str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversation_keys: Vec<Arc<str>>,
    pub customer: Customer,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub subject: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub summary: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub context_uri: Arc<str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub resolution_text: Arc<str>,
    /// Notes given with transfers, escalations, wrap-ups, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub id: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub display_name: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub address: Arc<str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<Arc<str>, Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub at: Time,
    pub text: Arc<str>,
    /// The leg whose wrap-up it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap_up_of: Option<u8>,
}
