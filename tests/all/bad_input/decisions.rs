//! Connectors and their subscriptions.

use handoff::proto::handoff::v1::decision_service_client::DecisionServiceClient;
use handoff::proto::handoff::v1::subscribe_hello::Resume;
use handoff::proto::handoff::v1::subscribe_request::Request;
use handoff::proto::handoff::v1::{
    ChannelConfirmation, Connector, CreateConnectorRequest, Cursor, DeleteConnectorRequest, GetConnectorRequest,
    ListConnectorsRequest, SubscribeAck, SubscribeHello, SubscribeRequest, UpdateConnectorRequest,
};
use prost_types::FieldMask;
use tonic::transport::Channel;

use super::{Case, refused};

const PBX: &str = "desks/north/connectors/pbx";

pub fn cases(channel: &Channel) -> Vec<Case> {
    let mut cases = connectors(channel);
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
