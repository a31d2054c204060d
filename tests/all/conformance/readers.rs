//! Who reads a connector's decisions: generations, acknowledgements, leases, buckets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use handoff::domain::bucket::{Bucket, Shares};
use handoff::domain::event::Entry;
use handoff::domain::id::{ConnectorId, DeskKey, TicketId};
use handoff::domain::log::Selection;
use handoff::domain::readers::{HAND_OVER, ReaderChange, Readers};
use handoff::store::{Acked, Lease, Store};

use super::harness::{Driver, at, connector, desk, main_desk, ticket};
use super::{Place, day};

fn name(word: &str) -> Arc<str> {
    Arc::from(word)
}

fn pbx() -> (DeskKey, ConnectorId) {
    (main_desk(), connector("pbx"))
}

async fn change<S: Store>(store: &S, change: ReaderChange) -> Readers {
    let (desk, connector) = pbx();
    store.change_readers(&desk, &connector, change).await.expect("the store answers")
}

async fn open<S: Store>(store: &S, instance: &str, now: i64) -> Readers {
    change(store, ReaderChange::Open { instance: name(instance), now: at(now), until: at(now + 3) }).await
}

async fn stored<S: Store>(store: &S) -> Readers {
    let (desk, connector) = pbx();
    store.readers(&desk, &connector).await.expect("the store answers")
}

async fn ack<S: Store>(store: &S, acks: &[(u64, u64)]) {
    let (desk, connector) = pbx();
    let ack = |(generation, seq): &(u64, u64)| Acked {
        desk: desk.clone(),
        connector: connector.clone(),
        generation: *generation,
        seq: *seq,
    };
    store.save_acked(acks.iter().map(ack).collect()).await.expect("the store answers");
}

fn generation(readers: &Readers, instance: &str) -> u64 {
    readers.instances[instance].generation
}

fn acked(readers: &Readers, instance: &str) -> BTreeSet<u64> {
    let mine = readers.buckets.values().filter(|held| held.instance.as_deref() == Some(instance));
    mine.map(|held| held.acked).collect()
}

pub async fn an_ack_moves_the_buckets_of_its_generation_and_never_back<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    assert_eq!(stored(&store).await, Readers::default());
    open(&store, "a", 1).await;
    let both = open(&store, "b", 1).await;
    let (a, b) = (generation(&both, "a"), generation(&both, "b"));
    ack(&store, &[(a, 7), (b, 3), (a, 5)]).await;
    ack(&store, &[(a, 6)]).await;
    P::close(store).await;

    let store = place.open().await;
    let kept = stored(&store).await;
    assert_eq!((acked(&kept, "a"), acked(&kept, "b")), ([7].into(), [3].into()));
    assert_eq!((kept.acked(), kept.acked_by(a), kept.acked_by(b)), (3, Some(7), Some(3)));
    let other = desk("other", "main");
    assert_eq!(store.readers(&other, &connector("pbx")).await.expect("the store answers"), Readers::default());
}

pub async fn an_ack_of_an_older_generation_moves_nothing<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let alone = open(&store, "a", 1).await;
    let first = generation(&alone, "a");
    ack(&store, &[(first, 4)]).await;
    let again = open(&store, "a", 2).await;
    ack(&store, &[(first, 9)]).await;
    assert_eq!(stored(&store).await, again, "the older stream has no say");
    let both = open(&store, "b", 3).await;
    ack(&store, &[(generation(&again, "a"), 9)]).await;
    assert_eq!(stored(&store).await, both, "its part is another one now");
    ack(&store, &[(generation(&both, "a"), 9)]).await;
    let kept = stored(&store).await;
    assert_eq!((acked(&kept, "a"), acked(&kept, "b")), ([9].into(), [4].into()));
}

/// The rules are in one place; this holds the statements that load and write to them.
pub async fn what_became_of_the_readers_is_the_same_in_every_store<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut model = Readers::default();
    let until = |now: i64| at(now + 3);
    let steps = [
        ReaderChange::Open { instance: name("a"), now: at(1), until: until(1) },
        ReaderChange::Open { instance: name("host \"1\""), now: at(2), until: until(2) },
        ReaderChange::Open { instance: name(""), now: at(3), until: until(3) },
        ReaderChange::Settle { now: at(4) },
        ReaderChange::Rejoin { instance: name("a"), opening: 1, now: at(4), until: until(4) },
        ReaderChange::Rejoin { instance: name("c"), opening: 77, now: at(8), until: until(8) },
        ReaderChange::Settle { now: at(9) },
        ReaderChange::Open { instance: name("d"), now: at(30), until: until(30) },
        ReaderChange::NotTaken { generation: 9, bucket: Bucket::Share(3), seq: 91 },
        ReaderChange::NotTaken { generation: 9, bucket: Bucket::Share(3), seq: 91 },
        aside(3, 91),
        aside(4, 95),
        ReaderChange::Release { ticket: ticket(&format!("{:032x}", 3)) },
        ReaderChange::Settle { now: at(31) },
    ];
    for (nth, step) in steps.into_iter().enumerate() {
        model.apply(&step);
        assert_eq!(change(&store, step).await, model);
        let own = model.instances.values().next().expect("somebody reads").generation;
        ack(&store, &[(own, nth as u64 * 10)]).await;
        model.ack(own, nth as u64 * 10);
        assert_eq!(stored(&store).await, model);
    }
    assert_eq!((model.instances.len(), model.aside.len()), (1, 1));
}

fn aside(n: u8, from: u64) -> ReaderChange {
    let id = ticket(&format!("{n:032x}"));
    ReaderChange::SetAside { ticket: id, bucket: Bucket::of_id(id), from, reason: name("NO_LINE"), now: at(30) }
}

pub async fn a_connector_is_attended_as_long_as_some_stream_of_it_says_so<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let key = pbx();
    let lease = |opening, until| Lease {
        desk: key.0.clone(),
        connector: key.1.clone(),
        instance: name("a"),
        opening,
        until: at(until),
    };
    let renew =
        async |opening, until| store.renew_leases(vec![lease(opening, until)]).await.expect("the store answers");
    let attended = async |after| store.attended(at(after)).await.expect("the store answers");
    let among = BTreeSet::from([key.clone()]);
    let lapsed = async |before| store.lapsed(&among, at(before)).await.expect("the store answers");
    assert!(renew(1, 10).await.is_empty(), "it was never opened");
    let first = open(&store, "a", 1).await.instances["a"].opening;
    assert_eq!(renew(first, 10).await.into_values().collect::<Vec<_>>(), [first]);
    let second = open(&store, "a", 7).await.instances["a"].opening;
    assert!(renew(first, 90).await.is_empty(), "a newer one was opened");
    assert_eq!(attended(9).await, BTreeMap::from([(key.clone(), at(10))]));
    assert!(attended(10).await.is_empty());
    assert_eq!(renew(second, 20).await.len(), 1);
    let both = open(&store, "b", 8).await;
    let told = renew(second, 8).await.into_values().collect::<Vec<_>>();
    assert_eq!(told, [generation(&both, "a")], "it left, and had another part by then");
    assert_eq!((lapsed(7).await, lapsed(8).await), (vec![], vec![key.clone()]));
    let late = at(8) + HAND_OVER;
    assert_eq!(
        change(&store, ReaderChange::Settle { now: late }).await.instances.len(),
        2,
        "nobody is there to take over"
    );
    let mut there = lease(both.instances["b"].opening, 20);
    there.instance = name("b");
    store.renew_leases(vec![there]).await.expect("the store answers");
    let gone = change(&store, ReaderChange::Settle { now: late }).await;
    assert!(gone.instances.keys().eq([&name("b")]));
    assert_eq!(attended(8).await, BTreeMap::from([(key.clone(), at(20))]));
}

pub async fn a_reader_of_some_buckets_reads_their_decisions_and_no_others<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    day::play(&mut driver, 12, 200).await;
    let some: BTreeMap<Bucket, u64> =
        (0..16).step_by(2).map(|digit| (Bucket::Share(digit), u64::from(digit))).collect();
    let with = |more: &[(Bucket, u64)]| {
        let mut floors = some.clone();
        floors.extend(more.iter().cloned());
        Shares { floors, ..Shares::default() }
    };
    let (one, rest) = ((Bucket::Named(name("one")), 9), (Bucket::Rest, 3));
    let ids: Vec<TicketId> = driver.entries.iter().filter_map(|entry| entry.event.ticket).collect();
    let (kept_back, behind) = (ids[0], ids[ids.len() / 2]);
    assert_ne!(kept_back, behind);
    let parts = [
        Shares { aside: [(kept_back, None), (behind, Some(40))].into(), ..with(std::slice::from_ref(&rest)) },
        with(&[]),
        with(std::slice::from_ref(&rest)),
        Shares { named: [name("one")].into(), ..with(std::slice::from_ref(&one)) },
        Shares { named: [name("one")].into(), ..with(std::slice::from_ref(&rest)) },
        Shares { named: [name("other")].into(), ..with(std::slice::from_ref(&rest)) },
        Shares::default(),
    ];
    let mut seen = BTreeSet::new();
    for shares in parts {
        for reader in [Some("pbx"), Some("web"), Some("softphone"), None] {
            let selection = Selection {
                connector: reader.map(connector),
                shares: Some(Arc::new(shares.clone())),
                ..Selection::default()
            };
            let held = |entry: &&Arc<Entry>| selection.holds(entry);
            let held: Vec<u64> = driver.entries.iter().filter(held).map(|entry| entry.seq).collect();
            assert_eq!(driver.log(&selection).await, held, "{selection:?}");
            let pending = store.pending(&main_desk(), &selection, 0, 10_000).await.expect("the store answers");
            assert_eq!(pending.0 as usize, held.len(), "{selection:?}");
            let last = store.last_matching(&main_desk(), &selection, u64::MAX).await.expect("the store answers");
            assert_eq!(last, held.last().copied().unwrap_or(0), "{selection:?}");
            seen.insert(held);
        }
    }
    assert!(seen.len() > 3, "the parts do not differ: {}", seen.len());
}
