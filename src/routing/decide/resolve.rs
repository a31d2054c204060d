//! ResolveTicket and ReopenTicket.

use std::sync::Arc;

use super::draft::Draft;
use super::offers;
use super::place::{Next, queue_again};
use crate::domain::event::{Body, QueuedReason};
use crate::domain::id::TicketId;
use crate::domain::leg::EndedBy;
use crate::domain::offer::RevokeReason;
use crate::domain::requirement::{Amount, Requirement};
use crate::domain::ticket::{Content, Note, Resolution, Ticket, TicketState, TransferState};
use crate::domain::time::{Span, Time};
use crate::routing::command::{Answer, NewResolution};
use crate::routing::lanes::satisfies;
use crate::routing::reject::Reject;

/// Notes that a ticket keeps; the oldest go first.
const MAX_NOTES: usize = 50;

pub(super) fn decide(
    draft: &mut Draft<'_>,
    id: TicketId,
    new: &NewResolution,
    etag: Option<u64>,
) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    check_etag(&ticket, etag)?;
    if !ticket.state.is_open() {
        return Err(Reject::TicketState { state: ticket.state, needed: "only an open ticket is resolved" });
    }
    if let Some((authority, amount)) = &new.concession {
        check_concession(draft, &ticket, authority, amount.as_ref())?;
    }
    let handler = ticket.handler().or(ticket.owner.as_ref()).cloned();
    let resolution = Resolution {
        code: new.code.clone(),
        first_contact: new.first_contact.unwrap_or(at_first_contact(&ticket)),
        concession: new.concession.clone(),
        agent: handler,
    };
    offers::end_all(draft, &ticket, RevokeReason::Resolved, EndedBy::Agent, TransferState::Cancelled)?;
    let content = (!new.text.is_empty()).then(|| {
        let mut content = ticket.content.as_ref().clone();
        content.resolution_text = new.text.clone();
        Arc::new(content)
    });
    finish(draft, ticket, resolution, content);
    Ok(Answer::Ticket { ticket: id })
}

/// Neither handed on nor reopened before.
fn at_first_contact(ticket: &Ticket) -> bool {
    let moved = ticket.hops > 0 || ticket.functional_level > 0 || ticket.hierarchical_level > 0;
    !moved && ticket.resolution.is_none()
}

/// Resolved by its queue when the contact and its wrap-up were over.
pub(super) fn by_itself(draft: &mut Draft<'_>, ticket: Arc<Ticket>, code: &Arc<str>) {
    let first_contact = at_first_contact(&ticket);
    let resolution = Resolution { code: code.clone(), first_contact, concession: None, agent: ticket.owner.clone() };
    finish(draft, ticket, resolution, None);
}

fn finish(draft: &mut Draft<'_>, ticket: Arc<Ticket>, resolution: Resolution, content: Option<Arc<Content>>) {
    let window = draft.queue(&ticket).reopen_window(ticket.channel);
    let close_due = draft.now() + window;
    let id = ticket.id;
    // Nobody holds the row any more: the events change it in place.
    drop(ticket);
    draft.emit(id, Body::Resolved { resolution: Box::new(resolution), close_due, content });
    if window == Span::ZERO {
        draft.emit(id, Body::Closed {});
    }
}

fn check_concession(
    draft: &Draft<'_>,
    ticket: &Ticket,
    authority: &Arc<str>,
    amount: Option<&Amount>,
) -> Result<(), Reject> {
    let handler = ticket.handler().or(ticket.owner.as_ref()).ok_or(Reject::TicketState {
        state: ticket.state,
        needed: "a concession is made by an agent: nobody has handled the ticket yet",
    })?;
    let agent = draft.agent(handler)?;
    let need = Requirement { authorities: [(authority.clone(), amount.cloned())].into(), ..Requirement::default() };
    if satisfies(&need, &agent.profile.expertise) {
        Ok(())
    } else {
        Err(Reject::NotAuthorised { authority: authority.to_string() })
    }
}

pub(super) fn reopen(draft: &mut Draft<'_>, id: TicketId, reason: &Arc<str>) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    if ticket.state != TicketState::Resolved {
        return Err(Reject::TicketState {
            state: ticket.state,
            needed: "only a RESOLVED ticket is reopened, within its queue's reopen window",
        });
    }
    for key in &ticket.content.conversation_keys {
        // A newer ticket may have taken the conversation meanwhile.
        let held = draft.ws().conversations.get(&(ticket.connector.clone(), key.clone()));
        if let Some(other) = held.and_then(|held| *held.as_ref()) {
            let name = draft.ticket(other).map_or_else(|_| other.default_name(), |row| row.name.clone());
            return Err(Reject::ConversationInUse { key: key.to_string(), ticket: name });
        }
    }
    let queue = draft.queue(&ticket);
    let unassigned_due = draft.now() + queue.unassigned_timeout(ticket.channel);
    let until = draft.now() + queue.prefer(ticket.channel);
    let prefer = ticket.owner.clone().map(|owner| (owner, Some(until)));
    let next = Next { prefer, ..Next::again(QueuedReason::Reopened) };
    // The lane is looked for before the first event, so that an interning detour leaves nothing behind.
    super::place::next_leg(draft, &ticket, &next)?;
    draft.emit(id, Body::Reopened { reason: reason.clone(), unassigned_due });
    let ticket = draft.ticket(id)?;
    queue_again(draft, &ticket, next)?;
    Ok(Answer::Ticket { ticket: id })
}

pub(super) fn check_etag(ticket: &Ticket, etag: Option<u64>) -> Result<(), Reject> {
    match etag {
        Some(etag) if etag != ticket.ver => Err(Reject::EtagMismatch { found: ticket.ver }),
        Some(_) | None => Ok(()),
    }
}

/// The content with a note added; `None` when there is nothing to add.
pub(super) fn with_note(ticket: &Ticket, note: &Arc<str>, wrap_up_of: Option<u8>, at: Time) -> Option<Arc<Content>> {
    if note.is_empty() {
        return None;
    }
    let mut content = ticket.content.as_ref().clone();
    content.notes.push(Note { at, text: note.clone(), wrap_up_of });
    let surplus = content.notes.len().saturating_sub(MAX_NOTES);
    content.notes.drain(..surplus);
    Some(Arc::new(content))
}
