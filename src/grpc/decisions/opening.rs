//! How a Subscribe stream opens: the hello, the cursor it starts at, the seat, the welcome.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Status, Streaming};

use super::feed::{Feed, Over};
use super::{lag, settings};
use crate::availability::Availability;
use crate::domain::connector::{Connector, Reach};
use crate::domain::log::Selection;
use crate::engine::Engine;
use crate::grpc::form::Form;
use crate::grpc::name::ConnectorRef;
use crate::grpc::serve::unreadable;
use crate::grpc::status::{About, Fault, of_failure, of_store};
use crate::proto::handoff::v1::subscribe_hello::Resume as Asked;
use crate::proto::handoff::v1::subscribe_request::Request as Up;
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::cursor::{self, BadCursor, Extent, Prev, RETENTION, Resume};
use crate::stream::subscription::{MAX_WINDOW, Subscription, WINDOW};

/// How long a client may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// A hello that was read.
struct Hello {
    named: ConnectorRef,
    instance: Arc<str>,
    resume: Resume,
    kinds: BTreeSet<Arc<str>>,
    window: u32,
}

pub(super) async fn open<S: Store, A: Availability>(
    engine: Engine<S, A>,
    shutdown: Shutdown,
    mut inbound: Streaming<pb::SubscribeRequest>,
) -> Result<Feed<S, A>, Status> {
    let hello = first(&engine, shutdown.clone(), &mut inbound).await?;
    let Hello { named, instance, resume, kinds, window } = read(&hello)?;
    let connector = connector(&engine, &named).await?;
    let selection = narrowed(&connector, &kinds)?;

    let extent = extent(&engine, &named, &connector).await?;
    let start = cursor::start(resume, extent).map_err(refused)?;
    let prev = match start.prev {
        Prev::Seen(seq) => seq,
        Prev::LastUpTo(upto) => {
            let found = engine.store().last_matching(&named.desk, &selection, upto).await;
            found.map_err(|error| of_store(&error))?
        }
    };
    // From here on it is the connector's one subscription: the older stream ends, and its acks count no more.
    let seat = engine.hub().subscribe(&named.desk, &named.connector, instance, engine.clock());
    let opened = engine.store().subscribe(&named.desk, &named.connector).await.map_err(|error| of_store(&error))?;
    let head = engine.hub().head(&named.desk);
    let welcome = pb::SubscribeWelcome {
        incarnation: extent.incarnation,
        generation: opened.generation,
        head_seq: Some(extent.head),
        first_seq: Some(if extent.head == 0 { 0 } else { extent.first }),
        acked_seq: Some(extent.acked),
        window,
    };
    let subscription = Subscription::new(opened.generation, window, start.after, prev, engine.clock().now());
    Ok(Feed {
        engine,
        desk: named.desk,
        connector: named.connector,
        selection,
        subscription,
        seat,
        inbound,
        head,
        shutdown,
        welcome: Some(welcome),
        deaf: false,
        over: Over::No,
    })
}

async fn first<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    mut shutdown: Shutdown,
    inbound: &mut Streaming<pb::SubscribeRequest>,
) -> Result<pb::SubscribeHello, Status> {
    let said = tokio::select! {
        biased;
        () = shutdown.wait() => return Err(Fault::shutting_down().into()),
        said = engine.clock().real_timeout(HELLO, inbound.message()) => said,
    };
    let Ok(said) = said else { return Err(protocol("no hello came within 10 s")) };
    match said.map_err(unreadable)? {
        Some(pb::SubscribeRequest { request: Some(Up::Hello(hello)) }) => Ok(hello),
        Some(_) => Err(protocol("the first message must be a hello")),
        None => Err(protocol("the stream ended before a hello came")),
    }
}

fn protocol(what: &str) -> Status {
    Fault::new(ErrorReason::Protocol, what).into()
}

fn read(hello: &pb::SubscribeHello) -> Result<Hello, Status> {
    let mut form = Form::new();
    let named = form.connector("hello.connector", &hello.connector);
    let instance = form.short("hello.instance", &hello.instance);
    let kinds = settings::kinds(&mut form, "hello.kinds", &hello.kinds);
    let window = match hello.window {
        None => WINDOW,
        asked => form.number("hello.window", asked, 1..=MAX_WINDOW).unwrap_or(WINDOW),
    };
    let resume = resume(&mut form, hello.resume.as_ref());
    let named = form.finish(named)?;
    Ok(Hello { named, instance, resume, kinds, window })
}

fn resume(form: &mut Form, asked: Option<&Asked>) -> Resume {
    match asked {
        None => Resume::Acked,
        Some(Asked::Cursor(pb::Cursor { seq: Some(seq), incarnation })) => {
            Resume::Cursor { seq: *seq, incarnation: *incarnation }
        }
        Some(Asked::Cursor(pb::Cursor { seq: None, .. })) => {
            form.refuse("hello.cursor.seq", "is required");
            Resume::Acked
        }
        Some(Asked::Point(point)) => match pb::ResumePoint::try_from(*point) {
            Ok(pb::ResumePoint::Now) => Resume::Now,
            Ok(pb::ResumePoint::Oldest) => Resume::Oldest,
            Ok(pb::ResumePoint::Unspecified) | Err(_) => {
                form.refuse("hello.point", "must be one of NOW, OLDEST");
                Resume::Acked
            }
        },
    }
}

/// The connector that a request names.
pub(in crate::grpc) async fn connector<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    named: &ConnectorRef,
) -> Result<Arc<Connector>, Status> {
    let scope = engine.store().scope(&named.desk).await.map_err(|error| of_store(&error))?;
    let scope = scope.ok_or_else(|| Status::from(About::desk(&named.desk).not_found()))?;
    let found = scope.connectors.get(&named.connector).filter(|row| !row.deleted).cloned();
    found.ok_or_else(|| About::connector(named).not_found().into())
}

/// What the connector is sent, of the kinds that this stream asks for (empty: all it has).
fn narrowed(connector: &Connector, kinds: &BTreeSet<Arc<str>>) -> Result<Selection, Status> {
    let has = |kind: &&Arc<str>| connector.kinds.is_empty() || connector.kinds.contains(*kind);
    let sent: Vec<_> = kinds.iter().filter(has).cloned().collect();
    if sent.is_empty() && !kinds.is_empty() {
        let mut form = Form::new();
        form.refuse("hello.kinds", "names no kind of decision that the connector is sent");
        form.check()?;
    }
    Ok(selection(connector, &sent))
}

/// Which decisions a connector is sent.
pub(super) fn selection(connector: &Connector, kinds: &[Arc<str>]) -> Selection {
    let own = match connector.reach {
        Reach::Own => Some(connector.id.clone()),
        Reach::Channel | Reach::Desk => None,
    };
    let kinds = if kinds.is_empty() { connector.kinds.iter().cloned().collect() } else { kinds.to_vec() };
    Selection { connector: own, channels: connector.channels.iter().copied().collect(), kinds }
}

async fn extent<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    named: &ConnectorRef,
    connector: &Connector,
) -> Result<Extent, Status> {
    let store = engine.store();
    let head = store.head(&named.desk).await.map_err(|error| of_store(&error))?.map_or(0, |(head, _)| head);
    // Nothing may have been published here since the start; readers wait for what is above the true head.
    engine.hub().publish(&named.desk, [], head);
    let since = engine.clock().now() - RETENTION;
    let first = store.first_seq(&named.desk, since).await.map_err(|error| of_store(&error))?;
    let acked = engine.acked(&named.desk, &named.connector).await;
    let acked = acked.map_err(|failure| of_failure(failure, &About::connector(named)))?;
    let born = lag::born(engine, &named.desk, connector).await?;
    Ok(Extent { incarnation: store.incarnation(), head, first, acked, born })
}

fn refused(bad: BadCursor) -> Status {
    let message = bad.to_string();
    match bad {
        BadCursor::Expired { first } => {
            Fault::new(ErrorReason::CursorExpired, message).with("first_seq", first.to_string()).into()
        }
        BadCursor::Ahead { head } => {
            Fault::new(ErrorReason::CursorAhead, message).with("head_seq", head.to_string()).into()
        }
        BadCursor::Foreign { .. } => Fault::new(ErrorReason::CursorForeign, message).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ConnectorId;
    use crate::domain::requirement::Channel;
    use crate::domain::time::Time;
    use tonic::Code;

    fn connector(reach: Reach) -> Connector {
        Connector {
            id: ConnectorId::parse("web").expect("valid"),
            ver: 1,
            display_name: Arc::from(""),
            reach,
            channels: BTreeSet::from([Channel::Chat]),
            confirmation: Default::default(),
            affinity: None,
            kinds: BTreeSet::from([Arc::from("queued"), Arc::from("offered")]),
            create_time: Time(0),
            update_time: Time(0),
            deleted: false,
            away: false,
        }
    }

    fn hello() -> pb::SubscribeHello {
        pb::SubscribeHello { connector: "desks/a/connectors/web".into(), ..pb::SubscribeHello::default() }
    }

    #[test]
    fn a_monitor_sees_every_connectors_decisions_and_an_adapter_its_own() {
        let own = selection(&connector(Reach::Own), &[]);
        assert_eq!(own.connector, ConnectorId::parse("web").ok());
        assert_eq!(own.channels, [Channel::Chat]);
        assert_eq!(selection(&connector(Reach::Desk), &[]).connector, None);
    }

    #[test]
    fn a_stream_narrows_the_connectors_kinds_and_never_widens_them() {
        let kinds = |words: &[&str]| words.iter().map(|word| Arc::from(*word)).collect::<BTreeSet<Arc<str>>>();
        let web = connector(Reach::Own);
        let narrowed_to = |words: &[&str]| narrowed(&web, &kinds(words)).map(|selection| selection.kinds);
        assert_eq!(narrowed_to(&[]).map(|all| all.len()).expect("valid"), 2);
        assert_eq!(narrowed_to(&["queued", "closed"]).expect("valid"), [Arc::from("queued")]);
        assert_eq!(narrowed_to(&["closed"]).expect_err("nothing is left").code(), Code::InvalidArgument);
    }

    #[test]
    fn a_hello_without_a_cursor_goes_on_where_it_stopped_with_the_usual_window() {
        let read = read(&hello()).expect("valid");
        assert_eq!((read.resume, read.window), (Resume::Acked, 64));
        let at = pb::Cursor { seq: Some(7), incarnation: 5 };
        let with_cursor = pb::SubscribeHello { resume: Some(Asked::Cursor(at)), ..hello() };
        assert_eq!(super::read(&with_cursor).expect("valid").resume, Resume::Cursor { seq: 7, incarnation: 5 });
    }

    #[test]
    fn a_bad_hello_is_refused_by_field() {
        let bad = pb::SubscribeHello { window: Some(257), resume: Some(Asked::Point(0)), kinds: vec![99], ..hello() };
        let message = super::read(&bad).map(|_| ()).expect_err("bad").message().to_owned();
        for field in ["hello.window", "hello.point", "hello.kinds[0]"] {
            assert!(message.contains(field), "{field} in {message}");
        }
        let without_seq = pb::SubscribeHello { resume: Some(Asked::Cursor(pb::Cursor::default())), ..hello() };
        assert!(super::read(&without_seq).map(|_| ()).expect_err("bad").message().contains("hello.cursor.seq"));
    }

    #[test]
    fn each_bad_cursor_has_its_code() {
        assert_eq!(refused(BadCursor::Expired { first: 4 }).code(), Code::OutOfRange);
        assert_eq!(refused(BadCursor::Ahead { head: 4 }).code(), Code::DataLoss);
        assert_eq!(refused(BadCursor::Foreign { theirs: 1, ours: 2 }).code(), Code::DataLoss);
    }
}
