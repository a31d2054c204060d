//! The filter of ListTickets (AIP-160, a small part of it): terms `field = value`, joined by AND.
//!
//! ```text
//! filter = [ term { "AND" term } ]      term = field "=" value      value = word | '"' text '"'
//! ```
//! In quotes, a backslash stands before a quote or a backslash.

/// One term, with where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub field: String,
    pub value: String,
    /// In characters, from 1.
    pub position: usize,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {message}")]
pub struct BadFilter {
    pub position: usize,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Equals,
    End,
}

struct Reader {
    text: Vec<char>,
    at: usize,
}

/// Reads a filter; an empty one has no terms.
pub fn parse(text: &str) -> Result<Vec<Term>, BadFilter> {
    let mut reader = Reader { text: text.chars().collect(), at: 0 };
    let mut terms: Vec<Term> = Vec::new();
    if reader.peek()?.0 == Token::End {
        return Ok(terms);
    }
    loop {
        let term = reader.term()?;
        if terms.iter().any(|known| known.field == term.field) {
            return Err(bad(term.position, format!("`{}` is named twice", term.field)));
        }
        terms.push(term);
        match reader.next()? {
            (Token::End, _) => return Ok(terms),
            (Token::Word(word), _) if word == "AND" => {}
            (_, position) => return Err(bad(position, "expected AND, or nothing more")),
        }
    }
}

fn bad(position: usize, message: impl Into<String>) -> BadFilter {
    BadFilter { position, message: message.into() }
}

impl Reader {
    fn term(&mut self) -> Result<Term, BadFilter> {
        let (Token::Word(field), position) = self.next()? else {
            return Err(bad(self.at, "expected a term like `state = QUEUED`"));
        };
        let (equals, after) = self.next()?;
        if equals != Token::Equals {
            return Err(bad(after, format!("expected `=` after `{field}`")));
        }
        match self.next()? {
            (Token::Word(value) | Token::Quoted(value), _) => Ok(Term { field, value, position }),
            (Token::Equals | Token::End, after) => Err(bad(after, format!("expected a value for `{field}`"))),
        }
    }

    fn peek(&mut self) -> Result<(Token, usize), BadFilter> {
        let before = self.at;
        let token = self.next();
        self.at = before;
        token
    }

    /// The next token, and where it begins.
    fn next(&mut self) -> Result<(Token, usize), BadFilter> {
        while self.text.get(self.at).is_some_and(|found| found.is_whitespace()) {
            self.at += 1;
        }
        let position = self.at + 1;
        let token = match self.text.get(self.at) {
            None => Token::End,
            Some('=') => {
                self.at += 1;
                Token::Equals
            }
            Some('"') => self.quoted(position)?,
            Some(found) if is_word(*found) => {
                let rest = self.text[self.at..].iter();
                let word: String = rest.take_while(|found| is_word(**found)).collect();
                self.at += word.chars().count();
                Token::Word(word)
            }
            Some(found) => return Err(bad(position, format!("`{}` is not understood", found.escape_debug()))),
        };
        Ok((token, position))
    }

    fn quoted(&mut self, position: usize) -> Result<Token, BadFilter> {
        let mut value = String::new();
        self.at += 1;
        loop {
            let found = self.text.get(self.at).copied();
            self.at += 1;
            match found {
                None => return Err(bad(position, "the quote is not closed")),
                Some('"') => return Ok(Token::Quoted(value)),
                Some('\\') => {
                    let escaped = self.text.get(self.at).copied().filter(|next| matches!(next, '"' | '\\'));
                    value.push(escaped.ok_or_else(|| bad(self.at, "`\\` stands only before `\"` or `\\`"))?);
                    self.at += 1;
                }
                Some(found) => value.push(found),
            }
        }
    }
}

fn is_word(found: char) -> bool {
    found.is_alphanumeric() || matches!(found, '_' | '-' | '.' | '/' | ':' | '+' | '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let terms = parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
        terms.into_iter().map(|term| (term.field, term.value)).collect()
    }

    #[test]
    fn terms_are_joined_by_and() {
        let pair = |field: &str, value: &str| (field.to_owned(), value.to_owned());
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("  "), []);
        assert_eq!(pairs("state=QUEUED"), [pair("state", "QUEUED")]);
        assert_eq!(
            pairs("state = QUEUED AND owner = desks/a/agents/b"),
            [pair("state", "QUEUED"), pair("owner", "desks/a/agents/b")]
        );
        assert_eq!(pairs(r#"conversation_key = "a \"b\" AND \\c""#), [pair("conversation_key", r#"a "b" AND \c"#)]);
        assert_eq!(pairs(r#"conversation_key = """#), [pair("conversation_key", "")]);
    }

    #[test]
    fn what_is_no_filter_is_refused_with_its_place() {
        let table = [
            ("state", 6, "expected `=` after `state`"),
            ("state =", 8, "expected a value for `state`"),
            ("state = = OPEN", 9, "expected a value for `state`"),
            ("state = OPEN channel = PHONE", 14, "expected AND, or nothing more"),
            ("state = OPEN OR channel = PHONE", 14, "expected AND, or nothing more"),
            ("state = OPEN AND", 16, "expected a term like `state = QUEUED`"),
            ("state > OPEN", 7, "`>` is not understood"),
            ("(state = OPEN)", 1, "`(` is not understood"),
            ("state = \"OPEN", 9, "the quote is not closed"),
            ("state = OPEN AND state = QUEUED", 18, "`state` is named twice"),
            ("k = \"a\\n\"", 7, "`\\` stands only before `\"` or `\\`"),
            ("a\0 = b", 2, "`\\0` is not understood"),
        ];
        for (text, position, message) in table {
            assert_eq!(parse(text), Err(bad(position, message)), "{text}");
        }
    }
}
