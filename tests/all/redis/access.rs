//! Who may ask: a user with the rights that docs/redis.md lists and no others, over TLS as well.

use super::*;
use crate::harness::redis::Cluster;
use crate::harness::tls;

/// The rule as the documentation has it.
pub fn documented_rule() -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redis.md")).expect("a page");
    let line = page.lines().find(|line| line.starts_with("ACL SETUSER")).expect("a rule on the page");
    line.split_whitespace().map(str::to_owned).collect()
}

/// Every call of the port, as this index.
async fn use_all(index: &RedisIndex) {
    open(index).await;
    assert!(reserve(index, 1).await.expect("of this epoch")[0].is_some());
    let made = advance(index, 0, legs([2, 3, 4, 5])).await.expect("of this epoch");
    let Advanced::Applied { reservations, .. } = made else { panic!("{made:?}") };
    assert_eq!(reservations.len(), 3, "with one held beforehand there is room for three");
    index.refuse(&desk(), 1, reservations[0].leg, 1, 9, NOW).await.expect("of this epoch");
    index.beat(&desk(), 1, &[], NOW).await.expect("of this epoch");
    index.lost(NOW).await.expect("it sweeps");
    let connectors = vec![(handoff::domain::id::ConnectorId::parse("voice").expect("valid"), true)];
    let gone = Change { connectors, retired_lanes: vec![LANE], ..Change::default() };
    advance(index, 1, gone).await.expect("of this epoch");
    assert!(index.expire(9, NOW + Span::from_secs(9)).await.expect("it sweeps").is_empty());
    assert_eq!(hear(index, 2).await.0, desk());
    assert!(index.claim(&desk(), 1, Span::from_secs(9), NOW).await.expect("of this epoch"));
    assert!(!index.claim(&desk(), 1, Span::from_secs(9), NOW + Span::from_secs(8)).await.expect("of this epoch"));
    let (keys, further) = index.rows(&desk(), 1, "").await.expect("of this epoch");
    let (agents, end) = index.rows(&desk(), 1, &further.expect("the agents")).await.expect("of this epoch");
    assert_eq!((keys.len(), agents, end), (4, vec![RowKey::Agent(AGENT)], None));
    let keys = [RowKey::Agent(AGENT), RowKey::Leg(leg_id(3)), RowKey::Leg(leg_id(99))];
    let versions = index.versions(&desk(), 1, 2, &keys).await.expect("of this epoch");
    assert_eq!(versions, Some(vec![Some(1), Some(1), None]));
    assert_eq!(index.versions(&desk(), 1, 1 << 40, &keys).await, Ok(None), "it is not that far");
    index.begin(&desk(), 2, 2, NOW).await.expect("begins");
}

#[tokio::test]
async fn the_documented_rights_are_enough_and_no_more_than_that() {
    let server = Server::start(&[]);
    let rule = documented_rule();
    server.say(&rule.iter().map(String::as_str).collect::<Vec<_>>());
    let password = rule.iter().find_map(|word| word.strip_prefix('>')).expect("a password");
    let url = format!("redis://{}:{password}@{}", rule[2], server.address());
    use_all(&connected(patient(&url)).await).await;
    let may = |command: &[&str]| server.say(&[&["ACL", "DRYRUN", &rule[2]], command].concat()) == "OK";
    assert!(may(&["HGET", "handoff:{default/main}:meta", "epoch"]));
    assert!(!may(&["HGET", "others:meta", "epoch"]));
    for command in [["FLUSHALL"].as_slice(), &["CONFIG", "GET", "*"], &["KEYS", "*"], &["SHUTDOWN"], &["ACL", "LIST"]] {
        assert!(!may(command), "{command:?}");
    }
    let wrong = format!("redis://{}:wrong@{}", rule[2], server.address());
    assert!(RedisIndex::connect(patient(&wrong), Clock::new(1)).await.is_err());
}

#[tokio::test]
async fn on_a_cluster_the_documented_rights_and_the_one_more_are_enough() {
    let cluster = Cluster::start();
    let rule = documented_rule();
    for node in &cluster.0 {
        node.say(&rule.iter().map(String::as_str).collect::<Vec<_>>());
        node.say(&["ACL", "SETUSER", &rule[2], "+cluster|slots"]);
    }
    let password = rule.iter().find_map(|word| word.strip_prefix('>')).expect("a password");
    let url = cluster.url().replace("://", &format!("://{}:{password}@", rule[2]));
    use_all(&connected(patient(&url)).await).await;
}

#[tokio::test]
async fn over_tls_the_server_must_be_the_one_that_the_given_authority_vouches_for() {
    let folder = tls::certificates();
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (cert, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let port = crate::harness::redis::free_port();
    let settings = ["--tls-port", &port.to_string(), "--tls-cert-file", &cert, "--tls-key-file", &key];
    let _server = Server::start(&[&settings[..], &["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"]].concat());
    let url = format!("rediss://127.0.0.1:{port}");
    let trusting = Options { ca_file: Some(ca.into()), ..patient(&url) };
    use_all(&connected(trusting).await).await;
    let refused = RedisIndex::connect(patient(&url), Clock::new(1)).await.err().expect("refused");
    assert!(matches!(refused, ConnectError::Unreachable(_)), "{refused:?}");
}
