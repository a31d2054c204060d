//! The embedded store's own statements: what it writes.

use std::sync::LazyLock;

use sqlx::Arguments as _;
use sqlx::sqlite::SqliteArguments;

use crate::store::{Error, rows};

macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) const $name: &str = include_str!($file);)*

        /// All of them, for the tests that prepare each.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name),)*];
    };
}

statements! {
    DELETE_GROUPS = "../sql/sqlite/delete_groups.sql";
    DELETE_LANES = "../sql/sqlite/delete_lanes.sql";
    FREE_CONVERSATIONS = "../sql/sqlite/free_conversations.sql";
    LOAD_HEADS = "../sql/sqlite/load_heads.sql";
    MINT_INCARNATION = "../sql/sqlite/mint_incarnation.sql";
    MOVE_HEADS = "../sql/sqlite/move_heads.sql";
    PUT_AGENTS = "../sql/sqlite/put_agents.sql";
    PUT_ANSWERS = "../sql/sqlite/put_answers.sql";
    PUT_CONNECTORS = "../sql/sqlite/put_connectors.sql";
    PUT_CONTENTS = "../sql/sqlite/put_contents.sql";
    PUT_CONVERSATIONS = "../sql/sqlite/put_conversations.sql";
    PUT_DESKS = "../sql/sqlite/put_desks.sql";
    PUT_EVENTS = "../sql/sqlite/put_events.sql";
    PUT_GROUPS = "../sql/sqlite/put_groups.sql";
    PUT_HEADS = "../sql/sqlite/put_heads.sql";
    PUT_LANES = "../sql/sqlite/put_lanes.sql";
    PUT_LEGS = "../sql/sqlite/put_legs.sql";
    PUT_OFFERS = "../sql/sqlite/put_offers.sql";
    PUT_POLICIES = "../sql/sqlite/put_policies.sql";
    PUT_TICKETS = "../sql/sqlite/put_tickets.sql";
    YARDSTICK = "../sql/sqlite/yardstick.sql";
}

/// Everything that a batch may write, as one text: tickets before conversations, for a key is free when its ticket, as it is
/// now, is not open; lanes and groups are added before they are retired, for a batch may do both; the log comes last.
pub(super) static PUTS: LazyLock<Puts> = LazyLock::new(|| {
    Puts::of([
        PUT_TICKETS,
        PUT_CONTENTS,
        PUT_LEGS,
        PUT_OFFERS,
        FREE_CONVERSATIONS,
        PUT_CONVERSATIONS,
        PUT_AGENTS,
        PUT_DESKS,
        PUT_HEADS,
        PUT_CONNECTORS,
        PUT_LANES,
        DELETE_LANES,
        PUT_GROUPS,
        DELETE_GROUPS,
        PUT_POLICIES,
        PUT_ANSWERS,
        MOVE_HEADS,
        PUT_EVENTS,
    ])
});

/// Statements of which each takes a list of rows (`?1`) and, some, their bodies (`?2`).
pub(super) struct Puts {
    text: String,
    /// Which statement's list, or bodies, each parameter is, in the order of the text.
    parameters: Vec<(usize, Part)>,
}

#[derive(Clone, Copy)]
enum Part {
    List,
    Bodies,
}

impl Puts {
    fn of<const N: usize>(statements: [&str; N]) -> Puts {
        let mut puts = Puts { text: String::new(), parameters: Vec::new() };
        for (at, statement) in statements.into_iter().enumerate() {
            // The driver counts parameters without a number through a text of several statements.
            for line in statement.lines().filter(|line| !line.starts_with("--")) {
                let mut pieces = line.split('?');
                puts.text.extend(pieces.next());
                for piece in pieces {
                    puts.parameters.push((at, if piece.starts_with('1') { Part::List } else { Part::Bodies }));
                    puts.text.push('?');
                    puts.text.push_str(&piece[1..]);
                }
                puts.text.push('\n');
            }
            puts.text.push(';');
        }
        puts
    }

    pub fn text(&'static self) -> sqlx::AssertSqlSafe<&'static str> {
        sqlx::AssertSqlSafe(&self.text)
    }

    /// One list, and bodies, for each statement; none: it has nothing to do.
    pub fn arguments(&self, lists: Vec<(Option<String>, Option<Vec<u8>>)>) -> Result<SqliteArguments, Error> {
        let mut lists = lists;
        let mut arguments = SqliteArguments::default();
        for (at, part) in &self.parameters {
            let (list, bodies) = &mut lists[*at];
            let added = match part {
                Part::List => arguments.add(list.take()),
                Part::Bodies => arguments.add(bodies.take()),
            };
            added.map_err(|error| rows::corrupt("arguments", error))?;
        }
        Ok(arguments)
    }
}
