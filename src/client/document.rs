//! Desks as a file: what `handoff apply` reads and `handoff export` writes. The format is described in docs/configuration.md.
//!
//! A resource is stated whole: a field that the file leaves out has its default. Resources that the file does not name are left
//! alone. Reading reports every mistake at once, with its place.

mod agent;
mod connector;
mod policy;
pub mod write;

use std::collections::BTreeMap;

use crate::proto::handoff::v1;
use crate::yaml::reader::{At, Fields, Problem, Reader};
use crate::yaml::{self, Bounds, Place, Value};
use write::{Field, Resource, scalar};

pub use policy::PolicySource;

const BOUNDS: Bounds = Bounds { bytes: 16 * 1_024 * 1_024, depth: 40, nodes: 2_000_000 };
const DESK_KEYS: &[&str] = &["display_name", "time_zone", "policy", "policy_file", "connectors", "agents"];

#[derive(Clone, Debug, Default)]
pub struct Document {
    pub desks: Vec<DeskDocument>,
}

#[derive(Clone, Debug)]
pub struct DeskDocument {
    pub desk: Stated<v1::Desk>,
    /// None: the desk keeps the policy it has.
    pub policy: Option<PolicySource>,
    pub connectors: Vec<Stated<v1::Connector>>,
    pub agents: Vec<Stated<v1::Agent>>,
}

/// A resource with where the file states it.
#[derive(Clone, Debug)]
pub struct Stated<T> {
    pub resource: T,
    pub place: Place,
    /// Places of the fields that stand in the file, by their names in the API.
    pub fields: BTreeMap<&'static str, Place>,
}

impl<T> Stated<T> {
    /// The place of a field of the API, as an error of the server names it, e.g. `agent.skills[1].level`.
    pub fn place_of(&self, field: &str) -> Place {
        let known = |part: &str| self.fields.get(part.split('[').next().unwrap_or(part)).copied();
        field.split('.').find_map(known).unwrap_or(self.place)
    }
}

/// Reads a document. `load` reads the policy files that it names.
pub fn read(source: &str, load: impl Fn(&str) -> std::io::Result<String>) -> Result<Document, Vec<Problem>> {
    let root = yaml::read(source, BOUNDS).map_err(|error| {
        let (path, expected) = (String::new(), String::new());
        vec![Problem { rule: "syntax", path, place: error.place, message: error.message, expected }]
    })?;
    let mut reader = Reader::default();
    let mut document = Document::default();
    let fields = reader.fields(&At::root(&root), &["desks"]);
    match fields.get("desks") {
        Some(at) => {
            for (key, at) in reader.entries(&at) {
                let context = Context { source, load: &load, desk: &key.name };
                document.desks.push(read_desk(&mut reader, &context, key.place, &at));
            }
        }
        None => {
            let message = "the document has no `desks`".to_owned();
            reader.report(&At::root(&root), "missing-key", message, "`desks:` with a desk by its id");
        }
    }
    let mut problems = reader.problems;
    problems.sort_by_key(|problem| problem.place);
    if problems.is_empty() { Ok(document) } else { Err(problems) }
}

struct Context<'a> {
    source: &'a str,
    load: &'a dyn Fn(&str) -> std::io::Result<String>,
    desk: &'a str,
}

fn read_desk(reader: &mut Reader, context: &Context<'_>, place: Place, at: &At<'_>) -> DeskDocument {
    let fields = reader.fields(at, DESK_KEYS);
    let desk = v1::Desk {
        name: format!("desks/{}", context.desk),
        display_name: text(reader, &fields, "display_name"),
        time_zone: fields.get("time_zone").and_then(|at| reader.text(&at)).unwrap_or("UTC").to_owned(),
        ..v1::Desk::default()
    };
    let places = places(&fields, &[("display_name", "display_name"), ("time_zone", "time_zone")]);
    let mut document = DeskDocument {
        desk: Stated { resource: desk, place, fields: places },
        policy: policy::read(reader, context, &fields),
        connectors: Vec::new(),
        agents: Vec::new(),
    };
    if let Some(at) = fields.get("connectors") {
        for (key, at) in reader.entries(&at) {
            document.connectors.push(connector::read(reader, context.desk, key, &at));
        }
    }
    if let Some(at) = fields.get("agents") {
        for (key, at) in reader.entries(&at) {
            document.agents.push(agent::read(reader, context.desk, key, &at));
        }
    }
    document
}

fn text(reader: &mut Reader, fields: &Fields<'_>, key: &str) -> String {
    fields.get(key).and_then(|at| reader.text(&at)).unwrap_or_default().to_owned()
}

/// Places of the keys that are there, under the API's name of each.
fn places(fields: &Fields<'_>, names: &[(&str, &'static str)]) -> BTreeMap<&'static str, Place> {
    names.iter().filter_map(|(key, name)| Some((*name, fields.key(key)?.place))).collect()
}

/// Names with a value each, or a list of names alone.
fn pairs<'n>(reader: &mut Reader, at: &At<'n>) -> Vec<(String, Option<At<'n>>)> {
    if matches!(at.node.value, Value::Map(_)) {
        let entries = reader.entries(at).into_iter();
        return entries.map(|(key, at)| (key.name.clone(), Some(at).filter(|at| !at.is_null()))).collect();
    }
    let items = reader.list(at);
    items.iter().filter_map(|item| Some((reader.text(item)?.to_owned(), None))).collect()
}

const CHANNELS: [(&str, v1::Channel); 5] = [
    ("phone", v1::Channel::Phone),
    ("chat", v1::Channel::Chat),
    ("social", v1::Channel::Social),
    ("email", v1::Channel::Email),
    ("portal", v1::Channel::Portal),
];

/// The word for a number of the wire; a value of a newer server has none.
fn word_of<T: Copy + Into<i32>>(words: &[(&'static str, T)], number: i32) -> Option<&'static str> {
    words.iter().find(|(_, value)| (*value).into() == number).map(|(word, _)| *word)
}

/// Channels with something each, in the order of the channels.
fn by_channel<'n>(reader: &mut Reader, at: &At<'n>) -> Vec<(v1::Channel, At<'n>)> {
    let fields = reader.fields(at, &CHANNELS.map(|(word, _)| word));
    CHANNELS.iter().filter_map(|(word, channel)| Some((*channel, fields.get(word)?))).collect()
}

impl Resource for v1::Desk {
    fn name(&self) -> &str {
        &self.name
    }

    fn fields(&self) -> Vec<Field> {
        let time_zone = if self.time_zone == "UTC" { "" } else { &self.time_zone };
        vec![
            Field::new("display_name", "display_name", scalar(&self.display_name)),
            Field::new("time_zone", "time_zone", scalar(time_zone)),
        ]
    }
}

#[cfg(test)]
mod tests;
