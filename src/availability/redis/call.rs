//! One call of a script: its arguments on the way out, its answer on the way in.

use redis::{Cmd, Value};

use super::super::{Change, Lapsed, Reservation, RowKey};
use super::keys::Keys;
use super::rows::{self, Malformed, Reader};
use super::scripts::Text;
use crate::domain::id::DeskKey;

#[derive(Default)]
pub(super) struct Call {
    arguments: Vec<String>,
}

impl Call {
    /// An epoch, a cursor, a head: as text, for Lua would round it.
    pub(super) fn number(mut self, number: u64) -> Call {
        self.arguments.push(format!("{number:016x}"));
        self
    }

    pub(super) fn token(mut self, token: u128) -> Call {
        self.arguments.push(format!("{token:032x}"));
        self
    }

    pub(super) fn texts(mut self, texts: impl IntoIterator<Item = String>) -> Call {
        self.arguments.extend(texts);
        self
    }

    pub(super) fn change(mut self, change: &Change) -> Call {
        rows::change(change, &mut self.arguments);
        self
    }

    pub(super) fn evalsha(&self, script: &Text, desk: &DeskKey) -> Cmd {
        self.command("EVALSHA", &script.sha, desk)
    }

    /// With the whole text, for a server that does not know it yet, or not any more.
    pub(super) fn eval(&self, script: &Text, desk: &DeskKey) -> Cmd {
        self.command("EVAL", &script.text, desk)
    }

    fn command(&self, name: &str, script: &str, desk: &DeskKey) -> Cmd {
        let keys = Keys::of(desk).0;
        let mut command = redis::cmd(name);
        command.arg(script).arg(keys.len()).arg(&keys).arg(&self.arguments);
        command
    }
}

/// What a script answered: a status, and texts.
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) texts: Vec<String>,
}

impl Answer {
    pub(super) fn read(value: &Value) -> Result<Answer, Malformed> {
        let malformed = || Malformed(format!("{value:?}"));
        let texts: Vec<String> = redis::from_redis_value_ref(value).map_err(|_| malformed())?;
        let mut texts = texts.into_iter();
        Ok(Answer { status: texts.next().ok_or_else(malformed)?, texts: texts.collect() })
    }

    pub(super) fn text(&self, at: usize) -> Result<&str, Malformed> {
        self.texts.get(at).map(String::as_str).ok_or_else(|| Malformed(self.status.clone()))
    }

    pub(super) fn number(&self, at: usize) -> Result<u64, Malformed> {
        Reader::new(self.text(at)?).number(16)
    }

    pub(super) fn count(&self, at: usize) -> Result<usize, Malformed> {
        let text = self.text(at)?;
        text.parse().map_err(|_| Malformed(text.to_owned()))
    }

    /// All from the text `from` on.
    pub(super) fn reservations(&self, from: usize) -> Result<Vec<Reservation>, Malformed> {
        self.texts.iter().skip(from).map(|text| rows::reservation(text)).collect()
    }

    /// One for each of so many rows.
    pub(super) fn versions(&self, count: usize) -> Result<Vec<Option<u64>>, Malformed> {
        if self.texts.len() != count {
            return Err(Malformed(self.status.clone()));
        }
        let version = |text: &String| if text.is_empty() { Ok(None) } else { Reader::new(text).number(16).map(Some) };
        self.texts.iter().map(version).collect()
    }

    /// All from the text `from` on.
    pub(super) fn keys(&self, from: usize) -> Result<Vec<RowKey>, Malformed> {
        self.texts.iter().skip(from).map(|text| Reader::new(text).row_key()).collect()
    }

    /// By number, in which order they are named.
    pub(super) fn lapsed(&self) -> Result<Lapsed, Malformed> {
        let (mut suspect, mut lost) = (Reader::new(self.text(0)?), Reader::new(self.text(1)?));
        let mut lapsed = Lapsed::default();
        while !suspect.is_done() {
            lapsed.suspect.push(suspect.agent()?);
        }
        while !lost.is_done() {
            lapsed.lost.push((lost.agent()?, lost.number(16)?));
        }
        lapsed.suspect.sort_unstable();
        lapsed.lost.sort_unstable();
        Ok(lapsed)
    }
}
