//! Connectors and their subscriptions.

use handoff::proto::handoff::v1::decision_service_client::DecisionServiceClient;
use handoff::proto::handoff::v1::subscribe_hello::Resume;
use handoff::proto::handoff::v1::subscribe_request::Request;
use handoff::proto::handoff::v1::{
    AckDecisionsRequest, ChannelConfirmation, Connector, CreateConnectorRequest, Cursor, DeleteConnectorRequest,
    GetConnectorRequest, ListConnectorsRequest, PullDecisionsRequest, Rejection, SubscribeAck, SubscribeHello,
    SubscribeRequest, UpdateConnectorRequest, WatchDecisionsRequest, pull_decisions_request, watch_decisions_request,
};
use prost_types::{Duration, FieldMask};
use tonic::transport::Channel;

use super::{Case, refused};

const PBX: &str = "desks/north/connectors/pbx";

pub fn cases(channel: &Channel) -> Vec<Case> {
    let mut cases = connectors(channel);
    cases.extend(pulls(channel));
    let hello = || SubscribeHello { connector: PBX.into(), instance: "i".into(), ..SubscribeHello::default() };
    let ack = Request::Ack(SubscribeAck::default());
    cases.push(subscribe(channel, "an ack before the hello", Some(ack), "PROTOCOL", &[]));
    cases.push(subscribe(channel, "nothing", None, "PROTOCOL", &[]));
    let wrong = SubscribeHello { connector: "pbx".into(), window: Some(257), kinds: vec![0], ..hello() };
    let fields = &["hello.connector", "hello.window", "hello.kinds[0]"];
    cases.push(subscribe(channel, "a bad hello", Some(Request::Hello(wrong)), "INVALID_FIELD", fields));
    let nowhere = SubscribeHello { resume: Some(Resume::Point(0)), ..hello() };
    cases.push(subscribe(channel, "no point", Some(Request::Hello(nowhere)), "INVALID_FIELD", &["hello.point"]));
    let cursor = Some(Resume::Cursor(Cursor { seq: None, incarnation: 0 }));
    let nowhere = Request::Hello(SubscribeHello { resume: cursor, ..hello() });
    cases.push(subscribe(channel, "a cursor without a number", Some(nowhere), "INVALID_FIELD", &["hello.cursor.seq"]));
    cases
}

#[rustfmt::skip]
fn connectors(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let with = |connector: Connector| CreateConnectorRequest {
        parent: "desks/north".into(),
        connector_id: "pbx".into(),
        connector: Some(connector),
        request_id: String::new(),
    };
    let confirm = |channel, required| ChannelConfirmation { channel, required };
    refused!(cases, channel, DecisionServiceClient.create_connector(CreateConnectorRequest::default()),
        INVALID_FIELD, ["parent", "connector_id", "connector"]);
    refused!(cases, channel, DecisionServiceClient.create_connector(with(Connector { reach: 4, affinity:
        3, ..Connector::default() })), INVALID_FIELD, ["connector.reach", "connector.affinity"]);
    refused!(cases, channel, DecisionServiceClient.create_connector(with(Connector { reach: 2, ..Connector::default()
        })), INVALID_FIELD, ["connector.channels"]);
    refused!(cases, channel, DecisionServiceClient.create_connector(with(Connector { channels: vec![1, 0], kinds:
        vec![99], ..Connector::default() })), INVALID_FIELD, ["connector.channels[1]", "connector.kinds[0]"]);
    refused!(cases, channel, DecisionServiceClient.create_connector(with(Connector { confirmations: vec![confirm(1,
        None)], ..Connector::default() })), INVALID_FIELD, ["connector.confirmations[0].required"]);
    refused!(cases, channel, DecisionServiceClient.get_connector(GetConnectorRequest { name: "desks/north".into()
        }), INVALID_FIELD, ["name"]);
    refused!(cases, channel, DecisionServiceClient.list_connectors(ListConnectorsRequest { page_size:
        -1, ..ListConnectorsRequest::default() }), INVALID_FIELD, ["parent", "page_size"]);
    refused!(cases, channel, DecisionServiceClient.update_connector(UpdateConnectorRequest { connector:
        Some(Connector { name: PBX.into(), ..Connector::default() }), update_mask: Some(FieldMask { paths:
        vec!["reach".into()] }), ..UpdateConnectorRequest::default() }), INVALID_FIELD, ["update_mask.paths[0]"]);
    refused!(cases, channel, DecisionServiceClient.delete_connector(DeleteConnectorRequest { name: PBX.into(), etag:
        "one".into(), ..DeleteConnectorRequest::default() }), INVALID_FIELD, ["etag"]);
    cases
}

#[rustfmt::skip]
fn pulls(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let pull = || PullDecisionsRequest { connector: PBX.into(), ..PullDecisionsRequest::default() };
    let watch = || WatchDecisionsRequest { connector: PBX.into(), ..WatchDecisionsRequest::default() };
    refused!(cases, channel, DecisionServiceClient.pull_decisions(PullDecisionsRequest { instance: "x".repeat(64),
        max_decisions: Some(257), kinds: vec![0], wait_time: Some(Duration { seconds: 61, nanos: 0 }), ..Default::default() }),
        INVALID_FIELD, ["connector", "instance", "max_decisions", "kinds[0]", "wait_time"]);
    refused!(cases, channel, DecisionServiceClient.pull_decisions(PullDecisionsRequest { max_decisions: Some(0), wait_time:
        Some(Duration { seconds: -1, nanos: 0 }), ..pull() }), INVALID_FIELD, ["max_decisions", "wait_time"]);
    refused!(cases, channel, DecisionServiceClient.pull_decisions(PullDecisionsRequest { resume:
        Some(pull_decisions_request::Resume::Point(0)), ..pull() }), INVALID_FIELD, ["point"]);
    refused!(cases, channel, DecisionServiceClient.pull_decisions(PullDecisionsRequest { resume:
        Some(pull_decisions_request::Resume::Cursor(Cursor::default())), ..pull() }), INVALID_FIELD, ["cursor.seq"]);
    refused!(cases, channel, DecisionServiceClient.ack_decisions(AckDecisionsRequest::default()),
        INVALID_FIELD, ["connector", "generation", "acked_seq"]);
    refused!(cases, channel, DecisionServiceClient.ack_decisions(AckDecisionsRequest { connector: PBX.into(), generation: 1,
        rejections: vec![Rejection::default()], ..Default::default() }), INVALID_FIELD, ["rejections[0].decision_id",
        "rejections[0].reason"]);
    refused!(cases, channel, DecisionServiceClient.watch_decisions(WatchDecisionsRequest { kinds: vec![99],
        ..Default::default() }), INVALID_FIELD, ["connector", "kinds[0]"]);
    refused!(cases, channel, DecisionServiceClient.watch_decisions(WatchDecisionsRequest { resume:
        Some(watch_decisions_request::Resume::Cursor(Cursor::default())), ..watch() }), INVALID_FIELD, ["cursor.seq"]);
    cases
}

/// The first message of a stream of its own; the error comes with the call or as its first answer.
fn subscribe(
    channel: &Channel,
    request: &'static str,
    first: Option<Request>,
    reason: &'static str,
    fields: &'static [&'static str],
) -> Case {
    let mut client = DecisionServiceClient::new(channel.clone());
    let call = async move {
        let messages = tokio_stream::iter([SubscribeRequest { request: first }]);
        client.subscribe(messages).await?.into_inner().message().await.map(|_| ())
    };
    Case { method: "subscribe", request, reason, fields, call: Box::pin(call) }
}
