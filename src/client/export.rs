//! Writes what a server has as a document: applied again, it changes nothing.

use tonic::Status;

use super::apply::{Desk, find_desk, list_desks};
use super::connection::Connection;
use super::document::write::{Resource, block, literal};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no desk {0}")]
    NoDesk(String),
    #[error("the server did not tell: {}", super::connection::said(.0))]
    Refused(#[from] Box<Status>),
}

/// The named desks (ids, or `desks/{id}`), or all of them.
pub async fn export(connection: &Connection, desks: &[String]) -> Result<String, Error> {
    let names = if desks.is_empty() {
        list_desks(connection).await.map_err(Box::new)?
    } else {
        desks
            .iter()
            .map(|desk| if desk.starts_with("desks/") { desk.clone() } else { format!("desks/{desk}") })
            .collect()
    };
    let mut found = Vec::new();
    for name in names {
        let desk = find_desk(connection, &name).await.map_err(Box::new)?;
        found.push(desk.ok_or(Error::NoDesk(name))?);
    }
    Ok(document(&found))
}

/// The document that states these desks.
pub fn document(desks: &[Desk]) -> String {
    if desks.is_empty() {
        return "desks: {}\n".to_owned();
    }
    let mut text = String::from("desks:\n");
    for Desk { desk, policy, connectors, agents } in desks {
        text.push_str(&block(desk, 2));
        text.push_str(&section("connectors", connectors));
        text.push_str(&section("agents", agents));
        // The built-in policy has no source, and needs none.
        if !policy.source.is_empty() {
            text.push_str(&literal("policy", &policy.source, 4));
        }
    }
    text
}

fn section<T: Resource>(key: &str, resources: &[T]) -> String {
    if resources.is_empty() {
        return String::new();
    }
    let blocks: String = resources.iter().map(|resource| block(resource, 6)).collect();
    format!("    {key}:\n{blocks}")
}
