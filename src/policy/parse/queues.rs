//! Sections `queues` and `default_queues`.

use std::collections::BTreeMap;

use super::checks::Named;
use super::fields::{queue, span};
use super::needs;
use crate::domain::id::QueueId;
use crate::domain::requirement::{Band, Channel, Ordering, Strategy};
use crate::domain::time::Span;
use crate::policy::queue::{AfterContact, Queue, Terminal, WhenFull};
use crate::yaml::reader::{At, Fields, Reader};
use crate::yaml::{Node, Value};

const KEYS: &[&str] = &[
    "band",
    "ordering",
    "strategy",
    "offer_timeout",
    "parallel_offers",
    "wrap_up",
    "after_contact",
    "unassigned_timeout",
    "terminal",
    "reopen_window",
    "prefer",
    "first_response",
    "max_waiting",
    "when_full",
];

const BANDS: [(&str, Band); 3] = [("emergency", Band::Emergency), ("live", Band::Live), ("deferred", Band::Deferred)];
const ORDERINGS: [(&str, Ordering); 3] =
    [("arrival", Ordering::Arrival), ("strict", Ordering::Strict), ("deadline", Ordering::Deadline)];
const STRATEGIES: [(&str, Strategy); 2] = [("scarce", Strategy::Scarce), ("best", Strategy::Best)];
const AFTER_CONTACT: [(&str, AfterContact); 2] = [("resolve", AfterContact::Resolve), ("keep", AfterContact::Keep)];

const NINETY_DAYS: Span = Span::from_days(90);

pub fn read(reader: &mut Reader, named: &mut Named, at: &At<'_>) -> BTreeMap<QueueId, Queue> {
    let mut queues = BTreeMap::new();
    for (key, at) in reader.entries(at) {
        match QueueId::parse(&key.name) {
            Ok(id) => {
                named.has_queue(&id, &at, key.place);
                queues.insert(id.clone(), read_queue(reader, named, id, &at));
            }
            Err(error) => {
                let message = format!("the queue's name {error}");
                reader.report_at(key.place, &at.path, "bad-name", message, "");
            }
        }
    }
    queues
}

/// The queues of channels that no rule classifies.
pub fn read_defaults(reader: &mut Reader, named: &mut Named, at: &At<'_>) -> BTreeMap<Channel, QueueId> {
    let words = Channel::ALL.map(Channel::word);
    let fields = reader.fields(at, &words);
    let mut defaults = BTreeMap::new();
    for channel in Channel::ALL {
        let Some(at) = fields.get(channel.word()) else { continue };
        let id = queue(reader, &at);
        defaults.extend(id.inspect(|id| named.queue(&at, id)).map(|id| (channel, id)));
    }
    defaults
}

fn read_queue(reader: &mut Reader, named: &mut Named, id: QueueId, at: &At<'_>) -> Queue {
    let fields = reader.fields(at, KEYS);
    let preset = Queue::new(id);
    let mut within = |key, from, to| fields.get(key).and_then(|at| span(reader, &at, from, to));
    let offer_timeout = within("offer_timeout", Span::from_secs(5), Span::from_hours(24));
    let wrap_up = within("wrap_up", Span::ZERO, Span::from_secs(3_600));
    let unassigned_timeout = within("unassigned_timeout", Span::from_mins(1), NINETY_DAYS);
    let reopen_window = within("reopen_window", Span::ZERO, NINETY_DAYS);
    let prefer = within("prefer", Span::ZERO, Span::from_hours(24));
    let first_response = within("first_response", Span::from_secs(1), NINETY_DAYS);
    let parallel_offers = fields.get("parallel_offers").and_then(|at| reader.whole(&at, 1, 50));
    let max_waiting = fields.get("max_waiting").and_then(|at| reader.whole(&at, 1, 1_000_000));
    Queue {
        band: fields.get("band").and_then(|at| reader.one_of(&at, &BANDS)),
        ordering: fields.get("ordering").and_then(|at| reader.one_of(&at, &ORDERINGS)).unwrap_or_default(),
        strategy: fields.get("strategy").and_then(|at| reader.one_of(&at, &STRATEGIES)).unwrap_or_default(),
        offer_timeout,
        parallel_offers: parallel_offers.and_then(|offers| u8::try_from(offers).ok()).unwrap_or(preset.parallel_offers),
        wrap_up,
        after_contact: fields.get("after_contact").and_then(|at| reader.one_of(&at, &AFTER_CONTACT)),
        unassigned_timeout,
        terminal: fields.get("terminal").and_then(|at| terminal(reader, named, &preset.id, &at)),
        reopen_window,
        prefer,
        first_response,
        max_waiting,
        when_full: when_full(reader, named, &fields),
        id: preset.id,
    }
}

/// A queue with needs, or needs alone in the same queue.
fn terminal(reader: &mut Reader, named: &mut Named, own: &QueueId, at: &At<'_>) -> Option<Terminal> {
    let fields = reader.fields(at, &["queue", "requirement"]);
    let target = match fields.get("queue") {
        Some(at) => queue(reader, &at).inspect(|id| named.queue(&at, id)),
        None => Some(own.clone()),
    };
    let requirement = fields.get("requirement").map(|at| needs::read(reader, named, &at)).unwrap_or_default();
    target.map(|queue| Terminal { queue, requirement })
}

/// `refuse` or `{queue: other}`.
fn when_full(reader: &mut Reader, named: &mut Named, fields: &Fields<'_>) -> WhenFull {
    let Some(at) = fields.get("when_full") else { return WhenFull::Refuse };
    if fields.get("max_waiting").is_none() {
        let message = "without `max_waiting` the queue is never full".to_owned();
        reader.report(&at, "missing-key", message, "`max_waiting` beside it");
    }
    let Node { value: Value::Map(_), .. } = at.node else {
        reader.one_of(&at, &[("refuse", ())]);
        return WhenFull::Refuse;
    };
    let inner = reader.fields(&at, &["queue"]);
    let Some(target) = inner.get("queue") else {
        reader.report(&at, "missing-key", "no queue is named".to_owned(), "`refuse` or `{queue: other}`");
        return WhenFull::Refuse;
    };
    let id = queue(reader, &target).inspect(|id| named.queue(&target, id));
    id.map_or(WhenFull::Refuse, WhenFull::Other)
}
