//! A connector's subscription, as a client holds it.

use handoff::proto::handoff::v1 as pb;
use pb::subscribe_request::Request;
use pb::subscribe_response::Response;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::stage::Stage;

pub struct Subscription {
    up: mpsc::Sender<pb::SubscribeRequest>,
    down: Streaming<pb::SubscribeResponse>,
    waiting: std::collections::VecDeque<pb::Decision>,
    pub welcome: pb::SubscribeWelcome,
    pub generation: u64,
    pub last_seq: u64,
    /// What it was given anew.
    pub rebalances: Vec<pb::SubscribeRebalance>,
}

impl Subscription {
    pub async fn open(stage: &mut Stage) -> Subscription {
        let hello =
            pb::SubscribeHello { connector: stage.connector.clone(), instance: "test".into(), ..Default::default() };
        Subscription::with(stage, hello).await.expect("a subscription")
    }

    pub async fn with(stage: &mut Stage, hello: pb::SubscribeHello) -> Result<Subscription, Status> {
        let (up, requests) = mpsc::channel(64);
        up.send(pb::SubscribeRequest { request: Some(Request::Hello(hello)) }).await.expect("room for the hello");
        let mut down = stage.clients.decisions.subscribe(ReceiverStream::new(requests)).await?.into_inner();
        let first = down.message().await?.and_then(|message| message.response);
        let Some(Response::Welcome(welcome)) = first else { panic!("the first message is a welcome, not {first:?}") };
        let (waiting, rebalances, generation) = (Default::default(), Vec::new(), welcome.generation);
        Ok(Subscription { up, down, waiting, welcome, generation, last_seq: 0, rebalances })
    }

    /// The next decision, acknowledged.
    pub async fn next(&mut self) -> Result<pb::Decision, Status> {
        let decision = self.next_unacknowledged().await?;
        self.ack(decision.seq).await;
        Ok(decision)
    }

    pub async fn next_unacknowledged(&mut self) -> Result<pb::Decision, Status> {
        loop {
            if let Some(decision) = self.waiting.pop_front() {
                self.last_seq = decision.seq;
                return Ok(decision);
            }
            let message = self.down.message().await?.ok_or_else(|| Status::ok("the stream ended"))?;
            match message.response {
                Some(Response::Decisions(batch)) => self.waiting.extend(batch.items),
                Some(Response::Rebalance(rebalance)) => {
                    self.generation = rebalance.generation;
                    self.rebalances.push(rebalance);
                }
                Some(Response::Welcome(_) | Response::Heartbeat(_) | Response::GoingAway(_)) | None => {}
            }
        }
    }

    /// The next decision that `wanted` picks; the others are acknowledged and passed over.
    pub async fn until(&mut self, wanted: impl Fn(&pb::Decision) -> bool) -> pb::Decision {
        let looking = async {
            loop {
                let decision = self.next().await.expect("the stream goes on");
                if wanted(&decision) {
                    return decision;
                }
            }
        };
        tokio::time::timeout(super::PATIENCE, looking).await.expect("the decision comes in time")
    }

    /// How the stream ends, whatever comes before.
    pub async fn until_error(&mut self) -> Status {
        let ending = async {
            loop {
                if let Err(status) = self.next_unacknowledged().await {
                    return status;
                }
            }
        };
        tokio::time::timeout(super::PATIENCE, ending).await.expect("the stream ends in time")
    }

    pub async fn ack(&mut self, seq: u64) {
        self.say(pb::SubscribeAck { generation: self.generation, acked_seq: seq, rejections: Vec::new() }).await;
    }

    /// Says that this decision cannot be taken on, and is to come again at once; nothing more is acknowledged.
    pub async fn reject(&mut self, decision: &pb::Decision, reason: &str) {
        let rejection = pb::Rejection {
            decision_id: decision.decision_id.clone(),
            reason: reason.into(),
            retry_delay: Some(prost_types::Duration::default()),
        };
        self.say(pb::SubscribeAck { generation: self.generation, acked_seq: 0, rejections: vec![rejection] }).await;
    }

    async fn say(&mut self, ack: pb::SubscribeAck) {
        let sent = self.up.send(pb::SubscribeRequest { request: Some(Request::Ack(ack)) }).await;
        sent.expect("the stream takes acknowledgements");
    }
}
