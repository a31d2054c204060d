//! The Lua that runs inside Redis, as text: parts that the scripts share, and a body for each call of the port.
//!
//! EVAL rather than functions, so that old and new replicas run their own text side by side during a rollout. The first line
//! makes Redis refuse a script as a whole, before it changed anything, when memory is short or the server is a replica.

use redis::Script;

macro_rules! lua {
    ($($part:literal)*) => {
        concat!("#!lua\n", $(include_str!(concat!($part, ".lua")), "\n"),*)
    };
}

/// One script and its digest.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) sha: String,
}

pub(super) struct Scripts {
    pub(super) reserve: Text,
    pub(super) advance: Text,
    pub(super) refuse: Text,
    pub(super) expire: Text,
    pub(super) beat: Text,
    pub(super) lost: Text,
    pub(super) begin: Text,
    pub(super) load: Text,
    pub(super) flip: Text,
    pub(super) rematch: Text,
    pub(super) claim: Text,
    pub(super) versions: Text,
    pub(super) rows: Text,
    pub(super) dump: Text,
}

impl Scripts {
    /// `edit` changes each text before it is used; for tests that plant a bug, or count branches.
    pub(super) fn new(edit: impl Fn(&str) -> String) -> Scripts {
        let text = |text: &str| {
            let text = edit(text);
            let sha = Script::new(&text).get_hash().to_owned();
            Text { text, sha }
        };
        Scripts {
            reserve: text(lua!("base" "agents" "backs" "fits" "free" "lines" "matching" "reserve")),
            advance: text(lua!("base" "agents" "backs" "fits" "free" "lines" "matching" "view" "advance")),
            refuse: text(lua!("base" "agents" "backs" "fits" "free" "lines" "matching" "view" "refuse")),
            expire: text(lua!("base" "agents" "backs" "fits" "free" "lines" "matching" "view" "expire")),
            beat: text(lua!("base" "agents" "backs" "fits" "free" "lines" "matching" "beat")),
            lost: text(lua!("base" "agents" "backs" "fits" "free" "lines" "matching" "lost")),
            begin: text(lua!("base" "begin")),
            load: text(lua!("base" "agents" "backs" "fits" "free" "lines" "matching" "view" "load")),
            flip: text(lua!("base" "flip")),
            rematch: text(lua!("base" "agents" "backs" "fits" "free" "lines" "matching" "rematch")),
            claim: text(lua!("base" "claim")),
            versions: text(lua!("base" "versions")),
            rows: text(lua!("base" "rows")),
            dump: text(lua!("base" "dump")),
        }
    }
}
