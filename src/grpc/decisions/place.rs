//! Where a reader of decisions starts and what it is sent, the same for Subscribe, PullDecisions and WatchDecisions: its
//! connector, its kinds, its cursor, checked against the log as it stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::Status;

use super::{lag, settings};
use crate::availability::Availability;
use crate::domain::connector::{Connector, Reach};
use crate::domain::log::Selection;
use crate::domain::readers::Readers;
use crate::engine::Engine;
use crate::grpc::form::Form;
use crate::grpc::name::ConnectorRef;
use crate::grpc::status::{About, Fault, of_store};
use crate::proto::handoff::v1::subscribe_hello::Resume as Asked;
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::store::Store;
use crate::stream::cursor::{self, BadCursor, Extent, Prev, RETENTION, Resume};

/// What a reader asks for.
#[derive(Debug)]
pub(super) struct Wish {
    pub named: ConnectorRef,
    pub resume: Resume,
    kinds: BTreeSet<Arc<str>>,
    /// How the request calls its kinds.
    kinds_field: String,
}

/// What was found of it: where it may begin depends on what is acknowledged.
pub(super) struct Found {
    pub named: ConnectorRef,
    resume: Resume,
    selection: Selection,
    extent: Extent,
}

/// What it gets.
pub(super) struct Place {
    pub named: ConnectorRef,
    pub selection: Selection,
    pub extent: Extent,
    /// Entries after this one are read.
    pub after: u64,
    /// What the first decision names as the one before it.
    pub prev: u64,
}

/// Reads the fields that every reader has; `prefix` is where they stand in the request.
pub(super) fn wish(
    form: &mut Form,
    prefix: &str,
    connector: &str,
    asked: Option<&Asked>,
    kinds: &[i32],
) -> Option<Wish> {
    let kinds_field = format!("{prefix}kinds");
    let named = form.connector(&format!("{prefix}connector"), connector);
    let kinds = settings::kinds(form, &kinds_field, kinds);
    let resume = resume(form, prefix, asked);
    Some(Wish { named: named?, resume, kinds, kinds_field })
}

fn resume(form: &mut Form, prefix: &str, asked: Option<&Asked>) -> Resume {
    match asked {
        None => Resume::Acked,
        Some(Asked::Cursor(pb::Cursor { seq: Some(seq), incarnation })) => {
            Resume::Cursor { seq: *seq, incarnation: *incarnation }
        }
        Some(Asked::Cursor(pb::Cursor { seq: None, .. })) => {
            form.refuse(format!("{prefix}cursor.seq"), "is required");
            Resume::Acked
        }
        Some(Asked::Point(point)) => match pb::ResumePoint::try_from(*point) {
            Ok(pb::ResumePoint::Now) => Resume::Now,
            Ok(pb::ResumePoint::Oldest) => Resume::Oldest,
            Ok(pb::ResumePoint::Unspecified) | Err(_) => {
                form.refuse(format!("{prefix}point"), "must be one of NOW, OLDEST");
                Resume::Acked
            }
        },
    }
}

impl Wish {
    /// Looks at the log as it stands. A cursor that is not of it is refused before anybody is displaced for it.
    pub async fn find<S: Store, A: Availability>(self, engine: &Engine<S, A>) -> Result<Found, Status> {
        let (named, resume) = (self.named, self.resume);
        let connector = connector(engine, &named).await?;
        let selection = narrowed(&connector, &self.kinds, &self.kinds_field)?;
        let extent = extent(engine, &named, &connector).await?;
        if matches!(resume, Resume::Cursor { .. }) {
            cursor::start(resume, extent).map_err(refused)?;
        }
        Ok(Found { named, resume, selection, extent })
    }
}

impl Found {
    /// Where an onlooker begins, who sees all.
    pub async fn whole<S: Store, A: Availability>(self, engine: &Engine<S, A>, acked: u64) -> Result<Place, Status> {
        let Found { named, resume, selection, extent } = self;
        let extent = Extent { acked, ..extent };
        let start = cursor::start(resume, extent).map_err(refused)?;
        let prev = before(engine, &named, &selection, start.prev).await?;
        Ok(Place { named, selection, extent, after: start.after, prev })
    }

    /// Where an instance begins. A cursor tells of the buckets that it had already when it was given this generation; of the
    /// others it goes on where those who had them stopped.
    pub async fn part<S: Store, A: Availability>(
        self,
        engine: &Engine<S, A>,
        readers: &Readers,
        instance: &str,
        generation: u64,
    ) -> Result<Place, Status> {
        let Found { named, resume, mut selection, extent } = self;
        let mut shares = readers.shares(instance);
        let extent = Extent { acked: shares.first().unwrap_or(extent.head), ..extent };
        let start = cursor::start(resume, extent).map_err(refused)?;
        let mut prev = before(engine, &named, &selection, start.prev).await?;
        let mut after = start.after;
        match resume {
            Resume::Acked => {}
            Resume::Now | Resume::Oldest => shares.floors.values_mut().for_each(|floor| *floor = after),
            Resume::Cursor { seq, .. } => {
                let kept = readers.kept(instance, generation);
                let known = shares.floors.iter_mut().filter(|(bucket, _)| kept.contains(*bucket));
                known.for_each(|(_, floor)| *floor = seq);
                let first = shares.first().unwrap_or(seq).max(extent.born.saturating_sub(1)).min(seq);
                if first < seq {
                    (after, prev) = (first, first);
                }
            }
        }
        selection.shares = (!shares.is_whole()).then(|| Arc::new(shares));
        Ok(Place { named, selection, extent, after, prev })
    }
}

/// What the first decision names as the one before it.
async fn before<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    named: &ConnectorRef,
    selection: &Selection,
    prev: Prev,
) -> Result<u64, Status> {
    match prev {
        Prev::Seen(seq) => Ok(seq),
        Prev::LastUpTo(upto) => {
            let found = engine.store().last_matching(&named.desk, selection, upto).await;
            found.map_err(|error| of_store(&error))
        }
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
fn narrowed(connector: &Connector, kinds: &BTreeSet<Arc<str>>, field: &str) -> Result<Selection, Status> {
    let has = |kind: &&Arc<str>| connector.kinds.is_empty() || connector.kinds.contains(*kind);
    let sent: Vec<_> = kinds.iter().filter(has).cloned().collect();
    if sent.is_empty() && !kinds.is_empty() {
        let mut form = Form::new();
        form.refuse(field, "names no kind of decision that the connector is sent");
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
    Selection { connector: own, channels: connector.channels.iter().copied().collect(), kinds, shares: None }
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
    let born = lag::born(engine, &named.desk, connector).await?;
    Ok(Extent { incarnation: store.incarnation(), head, first, acked: 0, born })
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
        let narrowed_to = |words: &[&str]| narrowed(&web, &kinds(words), "kinds").map(|selection| selection.kinds);
        assert_eq!(narrowed_to(&[]).map(|all| all.len()).expect("valid"), 2);
        assert_eq!(narrowed_to(&["queued", "closed"]).expect("valid"), [Arc::from("queued")]);
        assert_eq!(narrowed_to(&["closed"]).expect_err("nothing is left").code(), Code::InvalidArgument);
    }

    #[test]
    fn each_bad_cursor_has_its_code() {
        assert_eq!(refused(BadCursor::Expired { first: 4 }).code(), Code::OutOfRange);
        assert_eq!(refused(BadCursor::Ahead { head: 4 }).code(), Code::DataLoss);
        assert_eq!(refused(BadCursor::Foreign { theirs: 1, ours: 2 }).code(), Code::DataLoss);
    }
}
