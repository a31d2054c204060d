//! The connector's stream during a race: everything that it was told, judged at the end.

use std::collections::BTreeMap;

use handoff::availability::memory::MemoryIndex;
use handoff::domain::id::{DeskId, DeskKey, TenantId};
use handoff::engine::Engine;
use handoff::proto::handoff::v1 as pb;
use handoff::store::sqlite::SqliteStore;
use handoff::store::{Selection, Store};
use pb::decision::Payload;
use tokio::sync::mpsc;

use crate::harness::stage::{Stage, request_id};
use crate::harness::streams::Subscription;
use crate::harness::{PATIENCE, Service};

pub struct Watched {
    told: mpsc::UnboundedReceiver<pb::Decision>,
    reading: tokio::task::JoinHandle<()>,
    last: u64,
    engine: Engine<SqliteStore, MemoryIndex>,
}

impl Watched {
    /// Sets the stage, and subscribes for its connector.
    pub async fn open(service: &Service, policy: &str) -> Watched {
        let mut stage = Stage::set(service).await;
        let policy =
            pb::Policy { name: format!("{}/policy", stage.desk), source: policy.to_owned(), ..Default::default() };
        let request = pb::UpdatePolicyRequest { policy: Some(policy), request_id: request_id(), ..Default::default() };
        stage.clients.policies.update_policy(request).await.expect("a policy");
        let mut subscription = Subscription::open(&mut stage).await;
        let (tell, told) = mpsc::unbounded_channel();
        let reading = tokio::spawn(async move {
            while let Ok(decision) = subscription.next().await {
                if tell.send(decision).is_err() {
                    return;
                }
            }
        });
        Watched { told, reading, last: 0, engine: service.engine.clone() }
    }

    /// What was wrong with what the connector was told.
    pub async fn close(mut self) -> Vec<String> {
        let desk = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("stage").expect("a name") };
        let (head, _) = self.engine.store().head(&desk).await.expect("a head").expect("a desk");
        let everything = Selection::default();
        let end = self.engine.store().last_matching(&desk, &everything, head).await.expect("the log");
        let mut complaints = Vec::new();
        let mut said: BTreeMap<String, Vec<pb::Decision>> = BTreeMap::new();
        while self.last < end {
            let next = tokio::time::timeout(PATIENCE, self.told.recv()).await;
            let Ok(Some(decision)) = next else {
                complaints.push(format!("the stream ends at {}, and the log at {end}", self.last));
                break;
            };
            if decision.prev_seq != Some(self.last) {
                complaints.push(format!("{} follows {:?}, not {}", decision.seq, decision.prev_seq, self.last));
            }
            self.last = decision.seq;
            said.entry(decision.ticket.clone()).or_default().push(decision);
        }
        self.reading.abort();
        complaints.extend(said.into_iter().filter_map(|(ticket, told)| inconsistent(&ticket, &told)));
        complaints
    }
}

/// What makes a ticket's decisions contradict each other.
fn inconsistent(ticket: &str, told: &[pb::Decision]) -> Option<String> {
    let numbers = told.iter().map(|decision| decision.ticket_seq);
    if !numbers.clone().eq(1..=u32::try_from(told.len()).ok()?) {
        return Some(format!("{ticket}: its decisions are numbered {:?}", numbers.collect::<Vec<_>>()));
    }
    let mut over = false;
    let mut ringing: Vec<&str> = Vec::new();
    for decision in told {
        let payload = decision.payload.as_ref()?;
        if over {
            return Some(format!("{ticket}: after its end comes {payload:?}"));
        }
        match payload {
            Payload::Offered(offered) => ringing.extend(offered.offers.iter().map(|offer| offer.name.as_str())),
            Payload::OfferRevoked(revoked) => {
                let name = revoked.offer.as_ref().map(|offer| offer.name.as_str());
                let known = ringing.len();
                ringing.retain(|ringing| Some(*ringing) != name);
                if ringing.len() == known {
                    return Some(format!("{ticket}: {name:?} is revoked and did not ring"));
                }
            }
            Payload::Assigned(assigned) => {
                let name = assigned.offer.as_ref().map(|offer| offer.name.as_str());
                ringing.retain(|ringing| Some(*ringing) != name);
            }
            Payload::Cancelled(_) => {
                over = true;
                if !ringing.is_empty() {
                    return Some(format!("{ticket}: is cancelled while {ringing:?} ring"));
                }
            }
            _ => {}
        }
    }
    None
}
