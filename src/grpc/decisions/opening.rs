//! How a Subscribe stream opens: the hello, the seat, the welcome.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Status, Streaming};

use super::feed::Feed;
use super::place::{self, Wish};
use super::reading::{Over, Reading};
use crate::availability::Availability;
use crate::engine::{Engine, Reader};
use crate::grpc::form::Form;
use crate::grpc::serve::unreadable;
use crate::grpc::status::{About, Fault, of_failure};
use crate::proto::handoff::v1::subscribe_request::Request as Up;
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::subscription::{MAX_WINDOW, Subscription, WINDOW};

/// How long a client may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// A hello that was read.
struct Hello {
    wish: Wish,
    instance: Arc<str>,
    window: u32,
}

pub(super) async fn open<S: Store, A: Availability>(
    engine: Engine<S, A>,
    shutdown: Shutdown,
    mut inbound: Streaming<pb::SubscribeRequest>,
) -> Result<Feed<S, A>, Status> {
    let hello = first(&engine, shutdown.clone(), &mut inbound).await?;
    let Hello { wish, instance, window } = read(&hello)?;
    let found = wish.find(&engine).await?;
    // From here on it is the one stream of its name: an older one ends, and its acks count no more.
    let begun = engine.begin_reader(&found.named.desk, &found.named.connector, instance.clone()).await;
    let Reader { seat, readers } = begun.map_err(|failure| of_failure(failure, &About::connector(&found.named)))?;
    let generation = readers.instances.get(&instance).map_or(0, |row| row.generation);
    let place = found.part(&engine, &readers, &instance, generation).await?;
    let extent = place.extent;
    let welcome = pb::SubscribeWelcome {
        incarnation: extent.incarnation,
        generation,
        head_seq: Some(extent.head),
        first_seq: Some(extent.oldest()),
        acked_seq: Some(extent.acked),
        window,
    };
    let mut subscription = Subscription::new(generation, window, place.after, place.prev, engine.clock().now());
    readers.failures().for_each(|(seq, failures)| subscription.counted(seq, failures));
    let reading = Reading::new(engine, place, subscription);
    Ok(Feed { reading, seat, inbound, shutdown, welcome: Some(welcome), deaf: false, over: Over::No })
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
    let wish = place::wish(&mut form, "hello.", &hello.connector, hello.resume.as_ref(), &hello.kinds);
    let instance = form.short("hello.instance", &hello.instance);
    let window = window(&mut form, "hello.window", hello.window);
    let wish = form.finish(wish)?;
    Ok(Hello { wish, instance, window })
}

/// How many decisions may be on their way at once.
pub(super) fn window(form: &mut Form, field: &str, asked: Option<u32>) -> u32 {
    form.number(field, asked, 1..=MAX_WINDOW).unwrap_or(WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::handoff::v1::subscribe_hello::Resume as Asked;
    use crate::stream::cursor::Resume;

    fn hello() -> pb::SubscribeHello {
        pb::SubscribeHello { connector: "desks/a/connectors/web".into(), ..pb::SubscribeHello::default() }
    }

    #[test]
    fn a_hello_without_a_cursor_goes_on_where_it_stopped_with_the_usual_window() {
        let read = read(&hello()).expect("valid");
        assert_eq!((read.wish.resume, read.window), (Resume::Acked, 64));
        let at = pb::Cursor { seq: Some(7), incarnation: 5 };
        let with_cursor = pb::SubscribeHello { resume: Some(Asked::Cursor(at)), ..hello() };
        assert_eq!(super::read(&with_cursor).expect("valid").wish.resume, Resume::Cursor { seq: 7, incarnation: 5 });
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
}
