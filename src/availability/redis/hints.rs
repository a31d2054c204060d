//! Hints: what the script that moves a view says about it on one channel, for the other replicas.
//!
//! A hint says that the log of a desk goes up to a number at least. Nobody relies on it: whoever misses one finds the same by
//! looking at the logs now and then. So nothing is repeated or kept here. A connection of its own listens; one that broke is made
//! again after a while, and what was said meanwhile stays unheard. The channel is a classic one, not a sharded one: a message
//! reaches every node of a cluster, and any of them can be listened to.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use redis::{Client, ConnectionInfo, Msg, TlsCertificates};
use tokio::sync::Mutex;

use super::Options;
use super::link::{self, ConnectError};
use super::rows::Reader;
use super::url::Address;
use crate::clock::Clock;
use crate::domain::id::{DeskId, DeskKey, TenantId};

/// `advance.lua` names it too.
const CHANNEL: &str = "handoff:heads";
/// Before the second try, doubled with each further one.
const WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection on which nothing came for this long is asked whether it is there still: the other end of one that was cut says
/// nothing either.
const QUIET: Duration = Duration::from_secs(15);

pub(super) struct Hints {
    options: Options,
    clock: Clock,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    open: Option<PubSub>,
    /// In a row. The first is said to the log.
    failures: u32,
}

impl Hints {
    pub(super) fn new(options: Options, clock: Clock) -> Hints {
        Hints { options, clock, line: Mutex::default() }
    }

    /// The next one. May be dropped and called again.
    pub(super) async fn next(&self) -> (DeskKey, u64) {
        let mut line = self.line.lock().await;
        loop {
            if line.open.is_none() {
                self.open(&mut line).await;
            }
            let Some(open) = &mut line.open else { continue };
            let told = self.clock.real_timeout(QUIET, open.on_message().next()).await;
            match told {
                Ok(Some(message)) => {
                    if let Some(hint) = read(&message) {
                        return hint;
                    }
                }
                Ok(None) => line.broke("the connection ended"),
                Err(_) => match self.clock.real_timeout(PATIENCE, open.ping::<redis::Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => line.broke(&error.to_string()),
                    Err(late) => line.broke(&late.to_string()),
                },
            }
        }
    }

    /// One try, after a rest where the last one came to nothing.
    async fn open(&self, line: &mut Line) {
        if let Some(before) = line.failures.checked_sub(1) {
            self.clock.real_sleep((WAIT * 2_u32.pow(before.min(10))).min(LONGEST_WAIT)).await;
        }
        // Boxed, as it is needed seldom and would be part of whoever waits.
        let opening = Box::pin(subscribe(&self.options, line.failures));
        match self.clock.real_timeout(PATIENCE, opening).await {
            Ok(Ok(open)) => {
                if line.failures > 0 {
                    tracing::info!("hints of other replicas are heard again");
                }
                *line = Line { open: Some(open), failures: 0 };
            }
            Ok(Err(error)) => line.broke(&error.source().map_or_else(|| error.to_string(), ToString::to_string)),
            Err(late) => line.broke(&late.to_string()),
        }
    }
}

impl Line {
    fn broke(&mut self, why: &str) {
        if self.failures == 0 {
            tracing::warn!(
                error = why,
                "hints of other replicas are not heard; the logs are looked at regularly all the same"
            );
        }
        self.open = None;
        self.failures = self.failures.saturating_add(1);
    }
}

async fn subscribe(options: &Options, tries: u32) -> Result<PubSub, ConnectError> {
    let (address, certificates) = link::address(options)?;
    let client = match address {
        Address::Single(info) => client(*info, certificates)?,
        // The next node, where the last one was not there.
        Address::Cluster { mut nodes, .. } => client(nodes.swap_remove(tries as usize % nodes.len()), certificates)?,
        Address::Sentinel { sentinels, name, master, tls } => {
            link::sentinel_client(sentinels, &name, &master, tls, certificates)?.async_get_client().await?
        }
    };
    let mut open = client.get_async_pubsub().await?;
    open.subscribe(CHANNEL).await?;
    Ok(open)
}

fn client(info: ConnectionInfo, certificates: Option<TlsCertificates>) -> Result<Client, ConnectError> {
    Ok(match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates)?,
        None => Client::open(info)?,
    })
}

/// `tenant/desk` and the number. What else somebody says there is nothing to this index.
fn read(message: &Msg) -> Option<(DeskKey, u64)> {
    parse(&message.get_payload::<String>().ok()?)
}

fn parse(text: &str) -> Option<(DeskKey, u64)> {
    let (desk, number) = text.split_once(' ')?;
    let (tenant, desk) = desk.split_once('/')?;
    let desk = DeskKey { tenant: TenantId::parse(tenant).ok()?, desk: DeskId::parse(desk).ok()? };
    Some((desk, Reader::new(number).number(16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_a_desk_and_a_number_and_anything_else_is_none() {
        let (desk, number) = parse("acme/help 00000000000000ff").expect("a hint");
        assert_eq!((desk.tenant.as_str(), desk.desk.as_str(), number), ("acme", "help", 255));
        for other in ["", "acme/help", "acme 00000000000000ff", "acme/help ff", "acme/help 00000000000000fg", "a b c"] {
            assert!(parse(other).is_none(), "{other}");
        }
    }
}
