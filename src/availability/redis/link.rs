//! The connection: to one server, to a cluster, or to whoever the sentinels say is master; and what is checked of it.
//!
//! One connection carries everything, in the order in which it was sent. A connection that broke is made again, and what was
//! being asked is asked once more: scripts may come twice. Whatever else goes wrong is the caller's to try again later.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, Cmd, ConnectionInfo, ErrorKind, RedisError, TlsCertificates, TlsMode, Value};
use tokio::sync::{Mutex, OnceCell};

use super::super::Error;
use super::Options;
use super::rows::Malformed;
use super::url::{self, Address};
use crate::clock::{Clock, TimedOut};

const CONNECTION_TIMEOUT: Duration = Duration::from_millis(500);
/// A connection that cannot be made again at the second try is left alone until the next call.
const TRIES: usize = 1;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// A cluster's slots move in milliseconds; whoever waits longer for them is away.
const CLUSTER_RETRIES: u32 = 4;
const CLUSTER_WAIT_MS: (u64, u64) = (10, 100);
/// Connecting, asking sentinels and learning the slots included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const OLDEST: (u32, u32) = (7, 0);
const POLICY: &str = "noeviction";

/// What keeps the index from starting.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the Redis URL cannot be used: {why}")]
    Url { why: String },
    #[error("the file of the certificate authority, {path:?}, cannot be read")]
    CaFile {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("Redis does not answer")]
    Unreachable(#[from] RedisError),
    #[error("Redis does not answer")]
    Late(#[from] TimedOut),
    #[error("Redis says nothing of its {missing}")]
    Unclear { missing: &'static str },
    #[error("Redis is {version}; the scripts need 7.0 or later")]
    TooOld { version: String },
    #[error("Redis may evict keys (maxmemory-policy {policy}), and would lose tickets that wait; set it to noeviction")]
    Evicts { policy: String },
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    version: String,
    /// Whether it writes an append-only file. Without one an emptied view is rebuilt from the store, which takes seconds.
    append_only: bool,
}

pub(super) struct Link {
    options: Options,
    clock: Clock,
    /// Made when somebody first asks and Redis answers.
    way: OnceCell<Way>,
    /// Whether the last answer was none: said once, not with every call.
    away: AtomicBool,
}

enum Way {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
    Sentinel(Box<Mutex<Named>>),
}

/// The master that sentinels named last.
struct Named {
    sentinels: SentinelClient,
    master: Option<ConnectionManager>,
    config: ConnectionManagerConfig,
}

impl ConnectError {
    /// Whether Redis may be good enough when it comes back.
    fn may_pass(&self) -> bool {
        match self {
            ConnectError::Unreachable(error) => {
                error.is_connection_refusal() || error.is_timeout() || error.is_connection_dropped()
            }
            ConnectError::Late(_) => true,
            ConnectError::Url { .. }
            | ConnectError::CaFile { .. }
            | ConnectError::Unclear { .. }
            | ConnectError::TooOld { .. }
            | ConnectError::Evicts { .. } => false,
        }
    }
}

impl Link {
    /// Refuses a server that cannot run the scripts, or that may lose what it was given. One that does not answer is tried again
    /// with every call.
    pub(super) async fn connect(options: &Options, clock: &Clock) -> Result<Link, ConnectError> {
        let (options, clock) = (options.clone(), clock.clone());
        let link = Link { options, clock, way: OnceCell::new(), away: AtomicBool::new(false) };
        match link.way().await {
            Ok(_) => {}
            Err(error) if error.may_pass() => {
                link.away(&error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(link)
    }

    async fn way(&self) -> Result<&Way, ConnectError> {
        self.way.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Way, ConnectError> {
        let (address, certificates) = address(&self.options)?;
        let connecting = Way::connect(address, certificates, self.options.response_timeout);
        let way = self.clock.real_timeout(CONNECT_TIMEOUT, connecting).await??;
        way.check().await?;
        Ok(way)
    }

    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self.way().await {
            Ok(way) => way.send(command).await,
            Err(ConnectError::Unreachable(error)) => Err(error),
            Err(error) => Err((ErrorKind::Io, "not connected", error.to_string()).into()),
        }
    }

    /// Notes that Redis answered.
    pub(super) fn answers(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("Redis answers again");
        }
    }

    /// Notes that it did not, or not as a script of this index does.
    pub(super) fn away(&self, why: &str) -> Error {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(error = why, "Redis does not answer");
        }
        Error::Away
    }

    pub(super) fn read<T>(&self, text: Result<T, Malformed>) -> Result<T, Error> {
        text.map_err(|error| self.away(&error.to_string()))
    }
}

impl Way {
    async fn check(&self) -> Result<(), ConnectError> {
        let mut reports = Vec::new();
        collect_texts(self.send(&redis::cmd("INFO")).await?, &mut reports);
        let reports: Vec<&String> = reports.iter().filter(|text| text.contains("redis_version:")).collect();
        if reports.is_empty() {
            return Err(ConnectError::Unclear { missing: "version" });
        }
        for report in reports {
            let Server { version, append_only } = read_report(report)?;
            tracing::info!(redis.version = version, redis.append_only = append_only, "Redis answers");
        }
        Ok(())
    }

    async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Way::Single(connection) => match send(connection.clone(), command).await {
                Err(error) if error.is_connection_dropped() => send(connection.clone(), command).await,
                answer => answer,
            },
            Way::Cluster(connection) => send(connection.clone(), command).await,
            Way::Sentinel(named) => match send_named(named, command).await {
                Err(error) if has_moved(&error) => send_named(named, command).await,
                answer => answer,
            },
        }
    }

    async fn connect(
        address: Address,
        certificates: Option<TlsCertificates>,
        response_timeout: Duration,
    ) -> Result<Way, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(TRIES)
            .set_min_delay(BETWEEN_TRIES)
            .set_max_delay(BETWEEN_TRIES)
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(response_timeout));
        match address {
            Address::Single(info) => {
                let client = match certificates {
                    Some(certificates) => Client::build_with_tls(*info, certificates)?,
                    None => Client::open(*info)?,
                };
                Ok(Way::Single(ConnectionManager::new_with_config(client, config).await?))
            }
            Address::Cluster { nodes, tls } => {
                let mut builder = ClusterClientBuilder::new(nodes)
                    .retries(CLUSTER_RETRIES)
                    .min_retry_wait(CLUSTER_WAIT_MS.0)
                    .max_retry_wait(CLUSTER_WAIT_MS.1)
                    .connection_timeout(CONNECTION_TIMEOUT)
                    .response_timeout(response_timeout);
                if tls {
                    builder = builder.tls(TlsMode::Secure);
                }
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                Ok(Way::Cluster(builder.build()?.get_async_connection().await?))
            }
            Address::Sentinel { sentinels, name, master, tls } => {
                let client = sentinel_client(sentinels, &name, &master, tls, certificates)?;
                let named = Mutex::new(Named { sentinels: client, master: None, config });
                named.lock().await.master().await?;
                Ok(Way::Sentinel(Box::new(named)))
            }
        }
    }
}

impl Named {
    async fn master(&mut self) -> Result<ConnectionManager, RedisError> {
        if let Some(master) = &self.master {
            return Ok(master.clone());
        }
        let client = self.sentinels.async_get_client().await?;
        let master = ConnectionManager::new_with_config(client, self.config.clone()).await?;
        self.master = Some(master.clone());
        Ok(master)
    }
}

/// Where Redis is, and whom it is trusted to be.
pub(super) fn address(options: &Options) -> Result<(Address, Option<TlsCertificates>), ConnectError> {
    let address = url::parse(&options.url).map_err(|error| ConnectError::Url { why: error.to_string() })?;
    let root_cert = match &options.ca_file {
        Some(path) => {
            let read = std::fs::read(path);
            Some(read.map_err(|source| ConnectError::CaFile { path: path.clone(), source })?)
        }
        None => None,
    };
    // Whoever was first has named the provider: there is one in this program.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let certificates = root_cert.map(|root_cert| TlsCertificates { client_tls: None, root_cert: Some(root_cert) });
    Ok((address, certificates))
}

pub(super) fn sentinel_client(
    sentinels: Vec<ConnectionInfo>,
    name: &str,
    master: &ConnectionInfo,
    tls: bool,
    certificates: Option<TlsCertificates>,
) -> Result<SentinelClient, RedisError> {
    let addresses: Vec<_> = sentinels.iter().map(|info| info.addr().clone()).collect();
    let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?;
    if let Some(user) = master.redis_settings().username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = master.redis_settings().password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if tls {
        builder =
            builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder.set_client_to_sentinel_certificates(certificates.clone());
        builder = builder.set_client_to_redis_certificates(certificates);
    }
    builder.build()
}

/// What the server says in anger is an error like any other.
async fn send(mut connection: impl ConnectionLike, command: &Cmd) -> Result<Value, RedisError> {
    connection.req_packed_command(command).await?.extract_error()
}

/// The one asked may not be the master any more: the sentinels are asked again at the next call.
async fn send_named(named: &Mutex<Named>, command: &Cmd) -> Result<Value, RedisError> {
    let master = named.lock().await.master().await?;
    let answer = send(master, command).await;
    if answer.as_ref().is_err_and(has_moved) {
        named.lock().await.master = None;
    }
    answer
}

fn has_moved(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.code() == Some("READONLY")
}

/// One server's report, or those of all masters of a cluster.
fn collect_texts(value: Value, to: &mut Vec<String>) {
    match value {
        Value::Array(values) | Value::Set(values) => values.into_iter().for_each(|value| collect_texts(value, to)),
        Value::Map(pairs) => pairs.into_iter().for_each(|(_, value)| collect_texts(value, to)),
        Value::BulkString(bytes) => to.push(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => to.push(text),
        _ => {}
    }
}

fn read_report(report: &str) -> Result<Server, ConnectError> {
    let field = |missing: &'static str| {
        let value = report.lines().find_map(|line| line.strip_prefix(missing)?.strip_prefix(':'));
        value.map(str::trim).ok_or(ConnectError::Unclear { missing })
    };
    let version = field("redis_version")?;
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
        return Err(ConnectError::TooOld { version: version.to_owned() });
    }
    let policy = field("maxmemory_policy")?;
    if policy != POLICY {
        return Err(ConnectError::Evicts { policy: policy.to_owned() });
    }
    Ok(Server { version: version.to_owned(), append_only: field("aof_enabled")? == "1" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(version: &str, policy: &str, append: &str) -> String {
        format!("# Server\r\nredis_version:{version}\r\nmaxmemory_policy:{policy}\r\naof_enabled:{append}\r\n")
    }

    #[test]
    fn a_server_that_may_evict_or_is_too_old_is_refused() {
        let server = read_report(&report("7.0.15", "noeviction", "1")).expect("good enough");
        assert_eq!(server, Server { version: "7.0.15".to_owned(), append_only: true });
        assert!(matches!(read_report(&report("6.2.9", "noeviction", "0")), Err(ConnectError::TooOld { .. })));
        assert!(matches!(read_report(&report("7.2.0", "allkeys-lru", "0")), Err(ConnectError::Evicts { .. })));
        assert!(matches!(read_report("redis_version:7.2.0\r\n"), Err(ConnectError::Unclear { .. })));
    }
}
