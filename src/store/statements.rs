//! The statements that are run alike on both databases, one file each and dialect.

use super::session::Statement;

macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) const $name: Statement = Statement {
            sqlite: include_str!(concat!("sql/sqlite/", $file)),
            postgres: include_str!(concat!("sql/postgres/", $file)),
        };)*

        /// All of them, for the tests that prepare each.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, Statement)] = &[$((stringify!($name), $name),)*];
    };
}

statements! {
    ALL_DESKS = "all_desks.sql";
    ATTENDED = "attended.sql";
    DELETE_BUCKETS = "delete_buckets.sql";
    DELETE_INSTANCES = "delete_instances.sql";
    DELETE_QUARANTINE = "delete_quarantine.sql";
    DUE_BEFORE = "due_before.sql";
    HOLD_REBUILD = "hold_rebuild.sql";
    EVENTS_AFTER = "events_after.sql";
    EVENTS_OF_TICKET = "events_of_ticket.sql";
    EVENT_AT = "event_at.sql";
    EVENT_BOUNDS = "event_bounds.sql";
    HEAD = "head.sql";
    HEADS = "heads.sql";
    INCARNATION = "incarnation.sql";
    LAPSED = "lapsed.sql";
    LAST_OF_CONNECTOR = "last_of_connector.sql";
    LAST_OF_DESK = "last_of_desk.sql";
    LIST_AGENTS = "list_agents.sql";
    LIST_CONNECTORS = "list_connectors.sql";
    LIST_DESKS = "list_desks.sql";
    LIST_TICKETS = "list_tickets.sql";
    LIST_TICKETS_NEWEST = "list_tickets_newest.sql";
    LIST_TICKETS_OF_OWNER = "list_tickets_of_owner.sql";
    LIST_TICKETS_OF_OWNER_NEWEST = "list_tickets_of_owner_newest.sql";
    LIST_TICKETS_OF_STATE = "list_tickets_of_state.sql";
    LIST_TICKETS_OF_STATE_NEWEST = "list_tickets_of_state_newest.sql";
    LOAD_AGENTS = "load_agents.sql";
    LOAD_ANSWERS = "load_answers.sql";
    LOAD_BUCKETS = "load_buckets.sql";
    LOAD_CONNECTORS = "load_connectors.sql";
    LOAD_CONVERSATIONS = "load_conversations.sql";
    LOAD_DESKS = "load_desks.sql";
    LOAD_GROUPS = "load_groups.sql";
    LOAD_INSTANCES = "load_instances.sql";
    LOAD_LANES = "load_lanes.sql";
    LOAD_POLICIES = "load_policies.sql";
    LOAD_QUARANTINE = "load_quarantine.sql";
    LOAD_TICKETS = "load_tickets.sql";
    LOAD_TICKETS_OF_AGENTS = "load_tickets_of_agents.sql";
    LOAD_WAITING = "load_waiting.sql";
    LOCK_READERS = "lock_readers.sql";
    LOG_OF_CONNECTOR = "log_of_connector.sql";
    LOG_OF_DESK = "log_of_desk.sql";
    NEXT_DUE = "next_due.sql";
    NEXT_EPOCH = "next_epoch.sql";
    OPEN_TICKETS = "open_tickets.sql";
    PENDING_OF_CONNECTOR = "pending_of_connector.sql";
    PENDING_OF_DESK = "pending_of_desk.sql";
    POLICY = "policy.sql";
    PUT_ACKS = "put_acks.sql";
    PUT_ACKS_ASIDE = "put_acks_aside.sql";
    PUT_BUCKETS = "put_buckets.sql";
    PUT_GENERATION = "put_generation.sql";
    PUT_INSTANCES = "put_instances.sql";
    PUT_QUARANTINE = "put_quarantine.sql";
    RENEW_LEASES = "renew_leases.sql";
    RETIRE_ANSWERS = "retire_answers.sql";
    RETIRE_EVENTS = "retire_events.sql";
    SUBSCRIPTION = "subscription.sql";
    TICKETS_OF_CONVERSATION = "tickets_of_conversation.sql";
    WAITING_WITH_AMOUNTS = "waiting_with_amounts.sql";
    WORK_OF = "work_of.sql";
}
