//! Where Redis is, read from one URL: a single server, a cluster, or a master that sentinels name.

use redis::{ConnectionInfo, IntoConnectionInfo};

/// The default port of a sentinel.
const SENTINEL_PORT: u16 = 26_379;

pub(super) enum Address {
    Single(Box<ConnectionInfo>),
    Cluster { nodes: Vec<ConnectionInfo>, tls: bool },
    Sentinel { sentinels: Vec<ConnectionInfo>, name: String, master: Box<ConnectionInfo>, tls: bool },
}

/// Without the URL, which may hold a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadUrl {
    #[error(
        "it must begin with redis://, rediss://, redis+cluster:// or redis+sentinel:// (or rediss+ of the latter two)"
    )]
    Scheme,
    #[error("redis+sentinel:// needs the name of the master as its path, as in redis+sentinel://host:26379/mymaster")]
    NoMaster,
    #[error("{0}")]
    Part(String),
}

pub(super) fn parse(url: &str) -> Result<Address, BadUrl> {
    let (scheme, rest) = url.split_once("://").ok_or(BadUrl::Scheme)?;
    let (plain, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    if !matches!(plain, "redis" | "rediss") {
        return Err(BadUrl::Scheme);
    }
    let tls = plain == "rediss";
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let node = |host: &str| info(&format!("{plain}://{user}{host}"));
    match kind {
        "" => Ok(Address::Single(Box::new(info(url)?))),
        "cluster" => Ok(Address::Cluster { nodes: hosts.split(',').map(node).collect::<Result<_, _>>()?, tls }),
        "sentinel" => {
            let name = path.split('?').next().filter(|name| !name.is_empty()).ok_or(BadUrl::NoMaster)?.to_owned();
            // Sentinels are asked without a name or password: those are for the master.
            let sentinels: Result<Vec<_>, _> =
                hosts.split(',').map(|host| info(&format!("{plain}://{}", with_port(host)))).collect();
            let master = Box::new(node(hosts.split(',').next().unwrap_or(hosts))?);
            Ok(Address::Sentinel { sentinels: sentinels?, name, master, tls })
        }
        _ => Err(BadUrl::Scheme),
    }
}

fn with_port(host: &str) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    if has_port { host.to_owned() } else { format!("{host}:{SENTINEL_PORT}") }
}

fn info(url: &str) -> Result<ConnectionInfo, BadUrl> {
    url.into_connection_info().map_err(|error| BadUrl::Part(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(url: &str) -> String {
        let of =
            |infos: &[ConnectionInfo]| infos.iter().map(|info| info.addr().to_string()).collect::<Vec<_>>().join(" ");
        match parse(url) {
            Ok(Address::Single(info)) => format!("single {} {:?}", info.addr(), info.redis_settings().username()),
            Ok(Address::Cluster { nodes, tls }) => {
                format!("cluster {} tls {tls} {:?}", of(&nodes), nodes[0].redis_settings().username())
            }
            Ok(Address::Sentinel { sentinels, name, master, tls }) => {
                format!("sentinel {} {name} tls {tls} {:?}", of(&sentinels), master.redis_settings().username())
            }
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn a_url_says_what_kind_of_redis_there_is_and_who_asks() {
        assert_eq!(spelt("redis://ann:secret@host:7000"), "single host:7000 Some(\"ann\")");
        assert_eq!(spelt("rediss://host"), "single host:6379 None");
        assert_eq!(spelt("redis+cluster://ann:secret@a:1,b:2"), "cluster a:1 b:2 tls false Some(\"ann\")");
        assert_eq!(spelt("rediss+cluster://a"), "cluster a:6379 tls true None");
        assert_eq!(
            spelt("redis+sentinel://ann:secret@a,b:9/main"),
            "sentinel a:26379 b:9 main tls false Some(\"ann\")"
        );
        assert_eq!(spelt("redis+sentinel://a"), "NoMaster");
        for bad in ["host", "http://host", "redis+foo://host", "postgres://host"] {
            assert_eq!(spelt(bad), "Scheme", "{bad}");
        }
    }
}
