//! Field masks (AIP-161): which fields an update is about.

use std::collections::BTreeSet;

use prost_types::FieldMask;

use super::Form;

/// The fields that an update is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(BTreeSet<&'static str>);

impl Mask {
    pub fn has(&self, field: &str) -> bool {
        self.0.contains(field)
    }

    /// `Some` of the value if the update is about the field.
    pub fn of<T>(&self, field: &str, value: impl FnOnce() -> T) -> Option<T> {
        self.has(field).then(value)
    }

    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}

impl Form {
    /// Reads `update_mask`. `known`: every field that may be updated, and whether the request sets it. Without a mask, those
    /// that are set.
    pub fn mask(&mut self, mask: Option<&FieldMask>, known: &[(&'static str, bool)]) -> Mask {
        let paths = mask.map_or(&[][..], |mask| &mask.paths[..]);
        if paths.is_empty() {
            return Mask(known.iter().filter(|(_, set)| *set).map(|(field, _)| *field).collect());
        }
        if paths == ["*"] {
            return Mask(known.iter().map(|(field, _)| *field).collect());
        }
        let mut fields = BTreeSet::new();
        for (at, path) in paths.iter().enumerate() {
            match known.iter().find(|(field, _)| field == path) {
                Some((field, _)) => {
                    fields.insert(*field);
                }
                None if path == "*" => self.refuse(format!("update_mask.paths[{at}]"), "`*` must stand alone"),
                None => {
                    let all: Vec<_> = known.iter().map(|(field, _)| *field).collect();
                    let description = format!("must be one of {}, or `*` alone", all.join(", "));
                    self.refuse(format!("update_mask.paths[{at}]"), description);
                }
            }
        }
        Mask(fields)
    }
}
