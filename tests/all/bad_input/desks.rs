//! Desks, policies, offers.

use handoff::proto::handoff::v1::desk_service_client::DeskServiceClient;
use handoff::proto::handoff::v1::offer_service_client::OfferServiceClient;
use handoff::proto::handoff::v1::policy_service_client::PolicyServiceClient;
use handoff::proto::handoff::v1::{
    AcceptOfferRequest, CheckPolicyRequest, ConfirmOfferRequest, CreateDeskRequest, DeclineOfferRequest, Desk,
    FailOfferRequest, GetDeskRequest, GetPolicyRequest, ListDesksRequest, Policy, UpdateDeskRequest,
    UpdatePolicyRequest,
};
use prost_types::FieldMask;
use tonic::transport::Channel;

use super::{Case, refused};

const OFFER: &str = "desks/north/offers/00000000000070008000000000000001.1.1.0";

pub fn cases(channel: &Channel) -> Vec<Case> {
    let mut cases = desks(channel);
    cases.extend(policies(channel));
    cases.extend(offers(channel));
    cases
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
}

#[rustfmt::skip]
fn desks(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let good = || CreateDeskRequest { desk_id: "north".into(), desk: Some(Desk::default()), request_id: String::new() };
    let named = |name: &str| Desk { name: name.into(), ..Desk::default() };
    refused!(cases, channel, DeskServiceClient.create_desk(CreateDeskRequest::default()), INVALID_FIELD, ["desk_id",
        "desk"]);
    refused!(cases, channel, DeskServiceClient.create_desk(CreateDeskRequest { desk_id: "North".into(), ..good() }),
        INVALID_FIELD, ["desk_id"]);
    refused!(cases, channel, DeskServiceClient.create_desk(CreateDeskRequest { desk_id: "a".repeat(64), ..good() }),
        INVALID_FIELD, ["desk_id"]);
    refused!(cases, channel, DeskServiceClient.create_desk(CreateDeskRequest { request_id: "1".into(), ..good() }),
        INVALID_FIELD, ["request_id"]);
    refused!(cases, channel, DeskServiceClient.create_desk(CreateDeskRequest { desk: Some(Desk { display_name:
        "a\0".into(), time_zone: "nowhere at all".into(), ..Desk::default() }), ..good() }), INVALID_FIELD,
        ["desk.display_name", "desk.time_zone"]);
    refused!(cases, channel, DeskServiceClient.create_desk(CreateDeskRequest { desk: Some(Desk { display_name:
        "ä".repeat(129), ..Desk::default() }), ..good() }), INVALID_FIELD, ["desk.display_name"]);
    refused!(cases, channel, DeskServiceClient.get_desk(GetDeskRequest::default()), INVALID_FIELD, ["name"]);
    refused!(cases, channel, DeskServiceClient.get_desk(GetDeskRequest { name: "desks/a/b".into() }), INVALID_FIELD,
        ["name"]);
    refused!(cases, channel, DeskServiceClient.list_desks(ListDesksRequest { page_size:
        -1, ..ListDesksRequest::default() }), INVALID_FIELD, ["page_size"]);
    refused!(cases, channel, DeskServiceClient.list_desks(ListDesksRequest { page_token:
        "x".into(), ..ListDesksRequest::default() }), PAGE_TOKEN_INVALID, ["page_token"]);
    refused!(cases, channel, DeskServiceClient.update_desk(UpdateDeskRequest::default()), INVALID_FIELD, ["desk"]);
    refused!(cases, channel, DeskServiceClient.update_desk(UpdateDeskRequest { desk: Some(named("desks/north")),
        update_mask: mask(&["display_name", "etag"]), ..UpdateDeskRequest::default() }), INVALID_FIELD,
        ["update_mask.paths[1]"]);
    refused!(cases, channel, DeskServiceClient.update_desk(UpdateDeskRequest { desk: Some(Desk { etag:
        "new".into(), ..named("north") }), ..UpdateDeskRequest::default() }), INVALID_FIELD, ["desk.name",
        "desk.etag"]);
    cases
}

#[rustfmt::skip]
fn policies(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let policy =
        |source: &str| Policy { name: "desks/north/policy".into(), source: source.into(), ..Policy::default() };
    refused!(cases, channel, PolicyServiceClient.get_policy(GetPolicyRequest { name: "desks/north".into() }),
        INVALID_FIELD, ["name"]);
    refused!(cases, channel, PolicyServiceClient.update_policy(UpdatePolicyRequest::default()), INVALID_FIELD,
        ["policy"]);
    refused!(cases, channel, PolicyServiceClient.update_policy(UpdatePolicyRequest { policy:
        Some(policy("")), ..UpdatePolicyRequest::default() }), INVALID_FIELD, ["policy.source"]);
    refused!(cases, channel, PolicyServiceClient.update_policy(UpdatePolicyRequest { policy:
        Some(policy(&"#".repeat(245_761))), ..UpdatePolicyRequest::default() }), INVALID_FIELD, ["policy.source"]);
    refused!(cases, channel, PolicyServiceClient.update_policy(UpdatePolicyRequest { policy: Some(policy("a: 1")),
        update_mask: mask(&["change_note"]), ..UpdatePolicyRequest::default() }), INVALID_FIELD, ["update_mask"]);
    refused!(cases, channel, PolicyServiceClient.check_policy(CheckPolicyRequest::default()), INVALID_FIELD,
        ["name", "source"]);
    cases
}

#[rustfmt::skip]
fn offers(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let accept = || AcceptOfferRequest {
        name: OFFER.into(),
        session_epoch: 1,
        device_id: "d".into(),
        ..AcceptOfferRequest::default()
    };
    refused!(cases, channel, OfferServiceClient.accept_offer(AcceptOfferRequest::default()), INVALID_FIELD, ["name",
        "session_epoch", "device_id"]);
    refused!(cases, channel, OfferServiceClient.accept_offer(AcceptOfferRequest { name:
        "desks/north/offers/17".into(), ..accept() }), INVALID_FIELD, ["name"]);
    refused!(cases, channel, OfferServiceClient.accept_offer(AcceptOfferRequest { device_id:
        "a\nb".into(), ..accept() }), INVALID_FIELD, ["device_id"]);
    refused!(cases, channel, OfferServiceClient.decline_offer(DeclineOfferRequest { name: OFFER.into(),
        session_epoch: 1, ..DeclineOfferRequest::default() }), INVALID_FIELD, ["reason"]);
    refused!(cases, channel, OfferServiceClient.decline_offer(DeclineOfferRequest { name: OFFER.into(),
        session_epoch: 1, reason: 99, ..DeclineOfferRequest::default() }), INVALID_FIELD, ["reason"]);
    refused!(cases, channel, OfferServiceClient.confirm_offer(ConfirmOfferRequest { name:
        OFFER.to_uppercase(), ..ConfirmOfferRequest::default() }), INVALID_FIELD, ["name"]);
    refused!(cases, channel, OfferServiceClient.fail_offer(FailOfferRequest { name: OFFER.into(), reason:
        6, ..FailOfferRequest::default() }), INVALID_FIELD, ["reason"]);
    refused!(cases, channel, OfferServiceClient.fail_offer(FailOfferRequest { name: OFFER.into(), reason:
        5, ..FailOfferRequest::default() }), UNSUPPORTED, ["reason"]);
    cases
}
