//! Offers: confirmed, failed, declined, missed.

use handoff::proto::handoff::v1 as pb;
use tonic::Code;

use super::{chat, held, ok, refused};
use crate::harness::stage::{Stage, request_id};
use crate::harness::streams::Subscription;
use crate::harness::{Folder, Service, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_offered_accepted_confirmed_ended_wrapped_up_and_closed() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let name = stage.submit(Stage::ticket(pb::Channel::Phone)).await.name;
    let offer = stage.offered(&name).await;
    assert_eq!(held(&mut ann).await, 1);

    let accepted = ann.accept(&offer.name).await.expect("it is hers");
    assert_eq!(accepted.state(), pb::OfferState::Accepted);
    assert_eq!(stage.leg(&name).await.state(), pb::LegState::Connecting);
    let leg = format!("{name}/legs/1");
    let end = pb::EndLegRequest { name: leg.clone(), ended_by: pb::EndedBy::Customer.into(), ..Default::default() };
    let early = refused!(stage.clients.tickets.end_leg(end.clone()));
    assert_eq!(early, (Code::FailedPrecondition, "WRONG_STATE".to_owned()));

    let confirm = pb::ConfirmOfferRequest { name: offer.name.clone(), request_id: request_id() };
    ok!(stage.clients.offers.confirm_offer(confirm));
    let ticket = stage.until(&name, pb::TicketState::Assigned).await;
    assert_eq!((&ticket.handler, &ticket.owner), (&ann.name, &ann.name));
    assert_eq!(ok!(stage.clients.tickets.end_leg(end.clone())).state(), pb::LegState::Wrapping);
    assert_eq!(ok!(stage.clients.tickets.end_leg(end)).state(), pb::LegState::Wrapping);
    assert_eq!(held(&mut ann).await, 1, "booked until wrap-up ends");
    let finish = pb::FinishWrapUpRequest { name: leg, code: "solved".into(), ..Default::default() };
    assert_eq!(ok!(stage.clients.tickets.finish_wrap_up(finish)).state(), pb::LegState::Done);
    assert_eq!(held(&mut ann).await, 0);
    stage.until(&name, pb::TicketState::Closed).await;

    let mut kinds = Vec::new();
    stream.until(|decision| matches!(decision.payload, Some(pb::decision::Payload::Closed(_)))).await;
    kinds.extend(stage.history(&name).await.into_iter().map(|event| event.kind));
    let expected = ["queued", "offered", "connect", "assigned", "leg_ended", "wrap_up_finished", "resolved", "closed"];
    let told: Vec<&str> = kinds.iter().map(String::as_str).filter(|kind| expected.contains(kind)).collect();
    assert_eq!(told, expected, "{kinds:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_cannot_be_connected_three_times_pauses() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let name = stage.submit(Stage::ticket(pb::Channel::Phone)).await.name;
    for failures in 1..=3 {
        let offer = stage.offered(&name).await;
        ann.accept(&offer.name).await.expect("it is hers");
        let reason = pb::FailReason::MediaError.into();
        let fail = pb::FailOfferRequest { name: offer.name, reason, request_id: request_id() };
        assert_eq!(ok!(stage.clients.offers.fail_offer(fail)).state(), pb::OfferState::Failed);
        if failures < 3 {
            assert!(stage.leg(&name).await.pause_expire_time.is_none());
        }
    }
    let leg = stage.leg(&name).await;
    assert_eq!(leg.state(), pb::LegState::Waiting);
    assert!(leg.pause_expire_time.is_some());
    assert!(leg.exclusions.is_empty(), "media errors are nobody's fault");
    assert_eq!(stage.pending_offer(&name).await, None);
    assert_eq!(held(&mut ann).await, 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_offer_goes_to_the_next_agent_and_a_decliner_alone_waits() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let mut boss = stage.agent("boss").tier(2).ready().await;
    let name = stage.submit(chat()).await.name;
    let offer = stage.offered(&name).await;
    assert_eq!(offer.agent, ann.name);
    ann.decline(&offer.name, pb::DeclineReason::Busy).await.expect("it is hers");
    let gone = ann.accept(&offer.name).await.expect_err("declined");
    assert_eq!(crate::end_to_end::bad_input::reason(&gone).1, "OFFER_DECLINED");

    let next = stage.offered(&name).await;
    assert_eq!(next.agent, boss.name);
    boss.decline(&next.name, pb::DeclineReason::Conflict).await.expect("it is theirs");
    let excluded = eventually("nobody is left", async || {
        let ticket = stage.clone().get(&name).await;
        (ticket.infeasibility() == pb::Infeasibility::Excluded).then_some(ticket)
    });
    let exclusions = excluded.await.legs[0].exclusions.clone();
    let reasons: Vec<_> = exclusions.iter().map(pb::Exclusion::reason).collect();
    assert_eq!(reasons, [pb::ExclusionReason::Declined, pb::ExclusionReason::Conflict]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_missed_offers_make_an_agent_not_responding_until_ready_is_said_again() {
    let service = Service::start_with(Folder::new(), 20).await;
    let mut stage = Stage::set(&service).await;
    let source = "queues:\n  chat:\n    offer_timeout: 5s\n".to_owned();
    let policy = pb::Policy { name: format!("{}/policy", stage.desk), source, ..Default::default() };
    ok!(stage.clients.policies.update_policy(pb::UpdatePolicyRequest { policy: Some(policy), ..Default::default() }));
    let _stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    for _ in 0..2 {
        assert!(!ann.get().await.presence.expect("a presence").not_responding);
        let name = stage.submit(chat()).await.name;
        let offer = stage.offered(&name).await;
        let missed = async || {
            ann.clone().beat().await;
            let legs = stage.clone().get(&name).await.legs;
            let offers = legs.into_iter().flat_map(|leg| leg.offers);
            offers.into_iter().find(|known| known.name == offer.name && known.state() == pb::OfferState::Expired)
        };
        eventually("the offer expires", missed).await;
    }
    assert!(ann.get().await.presence.expect("a presence").not_responding);
    let presence = ann.declare(pb::DeclaredState::Ready).await.presence;
    assert!(!presence.expect("a presence").not_responding);
    service.stop().await;
}
