//! Where a subscription starts: a cursor, what was acknowledged, or an end of the log, checked against what is kept.

use crate::domain::time::Span;

/// How far back a cursor may start.
pub const RETENTION: Span = Span::from_days(7);

/// Where a client asks to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// After the last decision acknowledged.
    Acked,
    /// After this decision. Incarnation 0: not checked.
    Cursor { seq: u64, incarnation: u64 },
    /// With the next decision made.
    Now,
    /// With the oldest decision kept.
    Oldest,
}

/// The log as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub incarnation: u64,
    pub head: u64,
    /// The oldest entry kept; the head + 1 if none is.
    pub first: u64,
    /// The connector's last acknowledged decision; 0: none.
    pub acked: u64,
    /// The first entry made since the connector was created.
    pub born: u64,
}

impl Extent {
    /// The oldest entry kept; 0: the log is empty.
    pub fn oldest(&self) -> u64 {
        if self.head == 0 { 0 } else { self.first }
    }
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Entries after this one are read.
    pub after: u64,
    /// What the first decision names as the one before it.
    pub prev: Prev,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prev {
    /// The client saw this one last, or nothing (0).
    Seen(u64),
    /// The client begins at an end of the log: the last decision of its selection up to there.
    LastUpTo(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCursor {
    #[error("the cursor is behind what is kept; the first entry is {first}")]
    Expired { first: u64 },
    #[error("the cursor is ahead of the log, which ends at {head}")]
    Ahead { head: u64 },
    #[error("the cursor is of incarnation {theirs}, the log of {ours}")]
    Foreign { theirs: u64, ours: u64 },
}

/// Where a subscription starts in this log.
///
/// # Errors
/// When decisions after that place may be missing: the client must know.
pub fn start(resume: Resume, log: Extent) -> Result<Start, BadCursor> {
    match resume {
        Resume::Cursor { seq, incarnation } => {
            if incarnation != 0 && incarnation != log.incarnation {
                return Err(BadCursor::Foreign { theirs: incarnation, ours: log.incarnation });
            }
            kept(seq, log)?;
            Ok(Start { after: seq, prev: Prev::Seen(seq) })
        }
        // A subscription starts with what was decided after its connector was made; nothing before is kept for it.
        Resume::Acked if log.acked == 0 => {
            let after = log.born.saturating_sub(1);
            kept(after, log)?;
            Ok(Start { after, prev: Prev::Seen(0) })
        }
        Resume::Acked => {
            kept(log.acked, log)?;
            Ok(Start { after: log.acked, prev: Prev::Seen(log.acked) })
        }
        Resume::Now => Ok(Start { after: log.head, prev: Prev::LastUpTo(log.head) }),
        Resume::Oldest => {
            let before = log.first.saturating_sub(1);
            Ok(Start { after: before, prev: Prev::LastUpTo(before) })
        }
    }
}

fn kept(seq: u64, log: Extent) -> Result<(), BadCursor> {
    if seq > log.head {
        Err(BadCursor::Ahead { head: log.head })
    } else if seq + 1 < log.first {
        Err(BadCursor::Expired { first: log.first })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Extent = Extent { incarnation: 5, head: 100, first: 41, acked: 60, born: 3 };

    fn cursor(seq: u64) -> Resume {
        Resume::Cursor { seq, incarnation: 0 }
    }

    #[test]
    fn a_cursor_may_stand_from_just_before_the_oldest_entry_to_the_head_and_nowhere_else() {
        assert_eq!(start(cursor(39), LOG), Err(BadCursor::Expired { first: 41 }));
        assert_eq!(start(cursor(40), LOG), Ok(Start { after: 40, prev: Prev::Seen(40) }));
        assert_eq!(start(cursor(100), LOG), Ok(Start { after: 100, prev: Prev::Seen(100) }));
        assert_eq!(start(cursor(101), LOG), Err(BadCursor::Ahead { head: 100 }));
    }

    #[test]
    fn a_cursor_of_another_log_is_foreign_wherever_it_stands() {
        let of = |incarnation| Resume::Cursor { seq: 70, incarnation };
        assert_eq!(start(of(4), LOG), Err(BadCursor::Foreign { theirs: 4, ours: 5 }));
        assert_eq!(start(of(5), LOG), Ok(Start { after: 70, prev: Prev::Seen(70) }));
    }

    #[test]
    fn without_a_cursor_it_goes_on_after_what_was_acknowledged() {
        assert_eq!(start(Resume::Acked, LOG), Ok(Start { after: 60, prev: Prev::Seen(60) }));
        assert_eq!(start(Resume::Acked, Extent { acked: 39, ..LOG }), Err(BadCursor::Expired { first: 41 }));
        // A store that was put back to an older copy has acknowledgements of decisions it does not have.
        assert_eq!(start(Resume::Acked, Extent { acked: 101, ..LOG }), Err(BadCursor::Ahead { head: 100 }));
    }

    #[test]
    fn a_connector_that_never_acknowledged_starts_with_what_was_decided_after_it_was_made() {
        let fresh = Extent { acked: 0, born: 90, ..LOG };
        assert_eq!(start(Resume::Acked, fresh), Ok(Start { after: 89, prev: Prev::Seen(0) }));
        let old = Extent { acked: 0, born: 3, ..LOG };
        assert_eq!(start(Resume::Acked, old), Err(BadCursor::Expired { first: 41 }));
        let empty = Extent { incarnation: 5, head: 0, first: 1, acked: 0, born: 1 };
        assert_eq!(start(Resume::Acked, empty), Ok(Start { after: 0, prev: Prev::Seen(0) }));
    }

    #[test]
    fn the_ends_of_the_log_are_always_there() {
        assert_eq!(start(Resume::Now, LOG), Ok(Start { after: 100, prev: Prev::LastUpTo(100) }));
        assert_eq!(start(Resume::Oldest, LOG), Ok(Start { after: 40, prev: Prev::LastUpTo(40) }));
    }
}
