//! PostgreSQL's own statements: the locks, what is written, and the look at the server.

macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) const $name: &str = include_str!($file);)*

        /// All of them, for the tests that prepare each.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name),)*];
    };
}

/// Several in one text, which cannot be prepared. A pool that others share may hand every transaction another connection:
/// what is set is set for this one only.
pub(super) const BEGIN: &str = include_str!("../sql/postgres/begin.sql");

statements! {
    ANALYSE_GROWN = "../sql/postgres/analyse_grown.sql";
    APPEND = "../sql/postgres/append.sql";
    DELETE_GROUPS = "../sql/postgres/delete_groups.sql";
    DELETE_LANES = "../sql/postgres/delete_lanes.sql";
    DROP_PARTITIONS = "../sql/postgres/drop_partitions.sql";
    FORGET_YARDSTICK = "../sql/postgres/forget_yardstick.sql";
    FREE_ANSWERS = "../sql/postgres/free_answers.sql";
    FREE_CONVERSATIONS = "../sql/postgres/free_conversations.sql";
    HAS_SCHEMA = "../sql/postgres/has_schema.sql";
    LOAD_HEADS = "../sql/postgres/load_heads.sql";
    LOCK_AGENTS = "../sql/postgres/lock_agents.sql";
    LOCK_SCOPES = "../sql/postgres/lock_scopes.sql";
    LOCK_TICKETS = "../sql/postgres/lock_tickets.sql";
    MAKE_PARTITIONS = "../sql/postgres/make_partitions.sql";
    PUT_CONNECTORS = "../sql/postgres/put_connectors.sql";
    PUT_CONVERSATIONS = "../sql/postgres/put_conversations.sql";
    PUT_DESKS = "../sql/postgres/put_desks.sql";
    PUT_GROUPS = "../sql/postgres/put_groups.sql";
    PUT_HEADS = "../sql/postgres/put_heads.sql";
    PUT_LANES = "../sql/postgres/put_lanes.sql";
    PUT_POLICIES = "../sql/postgres/put_policies.sql";
    PUT_ROWS = "../sql/postgres/put_rows.sql";
    SCHEMA = "../sql/postgres/schema.sql";
    SETTINGS = "../sql/postgres/settings.sql";
    TAKE_ANSWERS = "../sql/postgres/take_answers.sql";
    TOUCH_SCOPES = "../sql/postgres/touch_scopes.sql";
    YARDSTICK = "../sql/postgres/yardstick.sql";
}
