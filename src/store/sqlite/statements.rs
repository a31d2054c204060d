//! Every statement of the embedded store, one file each.

use std::sync::LazyLock;

use sqlx::Arguments as _;
use sqlx::sqlite::SqliteArguments;

use super::rows;
use crate::store::Error;

macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) const $name: &str = include_str!($file);)*

        /// All of them, for the tests that prepare each.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name),)*];
    };
}

statements! {
    AHEAD = "../sql/sqlite/ahead.sql";
    ALL_DESKS = "../sql/sqlite/all_desks.sql";
    DELETE_GROUPS = "../sql/sqlite/delete_groups.sql";
    DELETE_LANES = "../sql/sqlite/delete_lanes.sql";
    DUE_BEFORE = "../sql/sqlite/due_before.sql";
    EVENTS_AFTER = "../sql/sqlite/events_after.sql";
    EVENTS_OF_TICKET = "../sql/sqlite/events_of_ticket.sql";
    EVENT_AT = "../sql/sqlite/event_at.sql";
    EVENT_BOUNDS = "../sql/sqlite/event_bounds.sql";
    FREE_CONVERSATIONS = "../sql/sqlite/free_conversations.sql";
    HEAD = "../sql/sqlite/head.sql";
    INCARNATION = "../sql/sqlite/incarnation.sql";
    LAST_OF_CONNECTOR = "../sql/sqlite/last_of_connector.sql";
    LAST_OF_DESK = "../sql/sqlite/last_of_desk.sql";
    LIST_AGENTS = "../sql/sqlite/list_agents.sql";
    LIST_CONNECTORS = "../sql/sqlite/list_connectors.sql";
    LIST_DESKS = "../sql/sqlite/list_desks.sql";
    LIST_TICKETS = "../sql/sqlite/list_tickets.sql";
    LIST_TICKETS_NEWEST = "../sql/sqlite/list_tickets_newest.sql";
    LIST_TICKETS_OF_OWNER = "../sql/sqlite/list_tickets_of_owner.sql";
    LIST_TICKETS_OF_OWNER_NEWEST = "../sql/sqlite/list_tickets_of_owner_newest.sql";
    LIST_TICKETS_OF_STATE = "../sql/sqlite/list_tickets_of_state.sql";
    LIST_TICKETS_OF_STATE_NEWEST = "../sql/sqlite/list_tickets_of_state_newest.sql";
    LOAD_AGENTS = "../sql/sqlite/load_agents.sql";
    LOAD_ANSWERS = "../sql/sqlite/load_answers.sql";
    LOAD_CONNECTORS = "../sql/sqlite/load_connectors.sql";
    LOAD_CONVERSATIONS = "../sql/sqlite/load_conversations.sql";
    LOAD_DESKS = "../sql/sqlite/load_desks.sql";
    LOAD_GROUPS = "../sql/sqlite/load_groups.sql";
    LOAD_HEADS = "../sql/sqlite/load_heads.sql";
    LOAD_LANES = "../sql/sqlite/load_lanes.sql";
    LOAD_POLICIES = "../sql/sqlite/load_policies.sql";
    LOAD_TICKETS = "../sql/sqlite/load_tickets.sql";
    LOAD_TICKETS_OF_AGENTS = "../sql/sqlite/load_tickets_of_agents.sql";
    LOAD_WAITING = "../sql/sqlite/load_waiting.sql";
    LOG_OF_CONNECTOR = "../sql/sqlite/log_of_connector.sql";
    LOG_OF_DESK = "../sql/sqlite/log_of_desk.sql";
    MINT_INCARNATION = "../sql/sqlite/mint_incarnation.sql";
    MOVE_HEADS = "../sql/sqlite/move_heads.sql";
    NEXT_DUE = "../sql/sqlite/next_due.sql";
    NEXT_EPOCH = "../sql/sqlite/next_epoch.sql";
    OPEN_TICKETS = "../sql/sqlite/open_tickets.sql";
    PENDING_OF_CONNECTOR = "../sql/sqlite/pending_of_connector.sql";
    PENDING_OF_DESK = "../sql/sqlite/pending_of_desk.sql";
    POLICY = "../sql/sqlite/policy.sql";
    PUT_ACKS = "../sql/sqlite/put_acks.sql";
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
    RETIRE_ANSWERS = "../sql/sqlite/retire_answers.sql";
    RETIRE_EVENTS = "../sql/sqlite/retire_events.sql";
    SUBSCRIBE = "../sql/sqlite/subscribe.sql";
    SUBSCRIPTION = "../sql/sqlite/subscription.sql";
    TICKETS_OF_CONVERSATION = "../sql/sqlite/tickets_of_conversation.sql";
    WAITING_WITH_AMOUNTS = "../sql/sqlite/waiting_with_amounts.sql";
    WORK_OF = "../sql/sqlite/work_of.sql";
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
