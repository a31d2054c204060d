//! Pages of lists (AIP-158). A token says where the next page begins, and is good for the same list with the same arguments
//! alone; it is opaque to clients and kept by nobody.

use prost::Message;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tonic::Status;

use super::call::hex;
use super::form::Form;
use super::status::Fault;
use crate::proto::handoff::v1::ErrorReason;
use crate::routing::reject::Violation;

const DEFAULT: u32 = 100;
pub const MOST: u32 = 1_000;
/// Bytes of the digest in a token: against mistakes, not against anybody.
const DIGEST: usize = 8;

/// One request for a page.
#[derive(Debug)]
pub struct Listing {
    size: u32,
    /// Method and arguments.
    scope: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Token<K> {
    after: K,
    digest: String,
}

/// A request for a page of a list.
pub trait List: Message + Clone + Default {
    const METHOD: &'static str;

    fn page_size(&mut self) -> &mut i32;
    fn page_token(&mut self) -> &mut String;
}

macro_rules! lists {
    ($($request:ident = $method:literal),+ $(,)?) => {$(
        impl List for crate::proto::handoff::v1::$request {
            const METHOD: &'static str = $method;

            fn page_size(&mut self) -> &mut i32 {
                &mut self.page_size
            }

            fn page_token(&mut self) -> &mut String {
                &mut self.page_token
            }
        }
    )+};
}

lists! {
    ListDesksRequest = "DeskService.ListDesks",
    ListTicketsRequest = "TicketService.ListTickets",
    ListTicketEventsRequest = "TicketService.ListTicketEvents",
    ExplainTicketRequest = "TicketService.ExplainTicket",
    ListAgentsRequest = "AgentService.ListAgents",
    ListConnectorsRequest = "DecisionService.ListConnectors",
}

impl Form {
    /// 1 to 1,000; 0: 100; more is taken as 1,000.
    pub fn page_size(&mut self, asked: i32) -> u32 {
        match u32::try_from(asked) {
            Ok(0) => DEFAULT,
            Ok(size) => size.min(MOST),
            Err(_) => {
                self.refuse("page_size", "must not be negative");
                DEFAULT
            }
        }
    }
}

impl Listing {
    /// Opens the page that a request asks for; `None`: the first one.
    pub fn open<R: List, K: Serialize + DeserializeOwned>(
        request: &R,
        size: u32,
    ) -> Result<(Listing, Option<K>), Status> {
        let mut arguments = request.clone();
        let text = std::mem::take(arguments.page_token());
        *arguments.page_size() = 0;
        let mut scope = R::METHOD.as_bytes().to_vec();
        scope.push(0);
        scope.extend(arguments.encode_to_vec());
        let listing = Listing { size, scope };
        if text.is_empty() {
            return Ok((listing, None));
        }
        match listing.read(&text) {
            Some(after) => Ok((listing, Some(after))),
            None => {
                let description = "is not of this list with these arguments; start from the first page".to_owned();
                let violation = Violation { field: "page_token".to_owned(), description };
                Err(Fault::invalid(ErrorReason::PageTokenInvalid, vec![violation]).into())
            }
        }
    }

    /// How many rows to read: one more than the page has, which tells whether it is the last.
    pub fn limit(&self) -> u32 {
        (self.size + 1).min(MOST)
    }

    pub fn size(&self) -> u32 {
        self.size
    }

    /// Cuts rows read up to [`Listing::limit`] to the page, and makes the token for the next.
    pub fn cut<R, K: Serialize>(&self, rows: &mut Vec<R>, key: impl Fn(&R) -> K) -> String {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        // At the largest size there was no room to read one more: a full page may be followed by an empty one.
        let more = rows.len() > size || (self.size == MOST && rows.len() == size);
        rows.truncate(size);
        match rows.last() {
            Some(last) if more => self.token(&key(last)),
            Some(_) | None => String::new(),
        }
    }

    /// The token for the page after this key.
    pub fn token<K: Serialize>(&self, after: &K) -> String {
        let digest = self.digest(after);
        let json = serde_json::to_vec(&Token { after, digest }).expect("keys are plain data");
        hex(&json)
    }

    fn read<K: Serialize + DeserializeOwned>(&self, text: &str) -> Option<K> {
        let json = unhex(text)?;
        let token: Token<K> = serde_json::from_slice(&json).ok()?;
        (token.digest == self.digest(&token.after)).then_some(token.after)
    }

    fn digest<K: Serialize>(&self, after: &K) -> String {
        let after = serde_json::to_vec(after).expect("keys are plain data");
        let digest = Sha256::new().chain_update(&self.scope).chain_update([0]).chain_update(after).finalize();
        hex(&digest[..DIGEST])
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|it| u8::try_from(it).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::handoff::v1::{ListTicketEventsRequest, ListTicketsRequest};

    fn request(filter: &str, token: &str) -> ListTicketsRequest {
        ListTicketsRequest {
            parent: "desks/a".into(),
            filter: filter.into(),
            page_token: token.into(),
            ..ListTicketsRequest::default()
        }
    }

    fn open(request: &ListTicketsRequest, size: u32) -> Result<(Listing, Option<u64>), Status> {
        Listing::open(request, size)
    }

    #[test]
    fn a_token_leads_to_where_it_was_made_with_any_page_size() {
        let (listing, after) = open(&request("", ""), 2).expect("valid");
        assert_eq!(after, None);
        let mut rows = vec![10_u64, 20, 30];
        let token = listing.cut(&mut rows, |row| *row);
        assert_eq!(rows, [10, 20]);
        assert_eq!(open(&request("", &token), 50).expect("valid").1, Some(20));
    }

    #[test]
    fn the_last_page_has_no_token() {
        let (listing, _) = open(&request("", ""), 3).expect("valid");
        assert_eq!(listing.cut(&mut vec![10_u64, 20, 30], |row| *row), "");
        assert_eq!(listing.cut(&mut Vec::<u64>::new(), |row| *row), "");
    }

    #[test]
    fn a_foreign_or_changed_token_is_refused() {
        let token = open(&request("", ""), 2).expect("valid").0.token(&20_u64);
        let changed = token.replacen('3', "4", 1);
        let events: Result<(Listing, Option<u64>), _> = Listing::open(
            &ListTicketEventsRequest { page_token: token.clone(), ..ListTicketEventsRequest::default() },
            2,
        );
        assert!(events.is_err());
        for (filter, token) in [("state = OPEN", token.as_str()), ("", &changed), ("", "zz"), ("", "abc"), ("", "é")] {
            let error = open(&request(filter, token), 2).expect_err(token);
            assert_eq!(error.code(), tonic::Code::InvalidArgument);
        }
    }
}
