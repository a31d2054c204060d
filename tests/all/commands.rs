//! The program itself, as a process: what its commands print, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::harness::{Folder, PATIENCE, Service, eventually};

pub const HANDOFF: &str = env!("CARGO_BIN_EXE_handoff");

/// `handoff serve`, killed with its owner.
pub struct Process {
    child: Child,
    pub address: String,
    /// Where it answers probes, if it was told to.
    http: String,
    _folder: Folder,
}

impl Process {
    pub fn serve(flags: &[&str]) -> Process {
        let folder = Folder::new();
        let mut command = Command::new(HANDOFF);
        command.args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir"]).arg(folder.path()).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        let (mut http, mut address) = (String::new(), None);
        while address.is_none() {
            let mut line = String::new();
            assert!(said.read_line(&mut line).expect("it says where it listens") > 0, "it ended");
            match line.trim().split_once(' ').expect("a kind and an address") {
                ("grpc", at) => address = Some(format!("http://{at}")),
                ("http", at) => http = at.to_owned(),
                other => panic!("{other:?}"),
            }
        }
        Process { child, address: address.expect("found"), http, _folder: folder }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "{name} was sent");
    }

    /// The next line of the log that says `what`.
    fn logged(log: &mut impl BufRead, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(log.read_line(&mut line).expect("it logs text") > 0, "the log ended without `{what}`");
        }
    }

    async fn ended(&mut self) -> ExitStatus {
        let mut ended = || std::future::ready(self.child.try_wait().expect("it is our child"));
        eventually("the process ends", &mut ended).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, and that is what is wanted.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_drain_at_once() {
    let mut process = Process::serve(&["--drain-timeout", "10m"]);
    let stream = reflected(&process.address).await;
    let mut log = BufReader::new(process.child.stderr.take().expect("it is piped"));
    process.signal("-TERM");
    Process::logged(&mut log, "a second signal stops at once");
    assert_eq!(process.child.try_wait().expect("it is our child"), None, "it waits for the stream");
    process.signal("-TERM");
    let status = process.ended().await;
    assert!(!status.success(), "what was cut off did not end well");
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("it logs text");
    assert!(rest.contains("stopped at once, as asked twice"), "{rest}");
    drop(stream);
}

/// The status line and the body of an answer.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n").expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().expect("a status").to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_drains_is_alive_and_not_ready() {
    let mut process = Process::serve(&["--drain-timeout", "10m", "--http-addr", "127.0.0.1:0"]);
    let http = process.http.clone();
    let ok = |body: &str| ("HTTP/1.1 200 OK".to_owned(), body.to_owned());
    assert_eq!((get(&http, "/livez"), get(&http, "/readyz")), (ok("alive\n"), ok("serving\n")));
    assert!(get(&http, "/metrics").0.contains("404"));

    let asking = reflected(&process.address).await;
    process.signal("-TERM");
    eventually("it says that it stops", async || (get(&http, "/readyz").1 == "stopping\n").then_some(())).await;
    assert!(get(&http, "/readyz").0.contains("503"));
    assert_eq!(get(&http, "/livez"), ok("alive\n"));
    drop(asking);
    assert!(process.ended().await.success());
}

/// A stream that reflection answers as long as its client asks, so that it holds up a drain.
async fn reflected(address: &str) -> Asking {
    let channel = Channel::from_shared(address.to_owned()).expect("an address").connect().await.expect("it listens");
    let (asking, questions) = tokio::sync::mpsc::channel(1);
    let mut reflection = ServerReflectionClient::new(channel);
    let stream = reflection.server_reflection_info(ReceiverStream::new(questions));
    let stream = tokio::time::timeout(PATIENCE, stream).await.expect("in time").expect("a stream");
    Asking { _asking: asking, _stream: stream.into_inner() }
}

struct Asking {
    _asking: tokio::sync::mpsc::Sender<ServerReflectionRequest>,
    _stream: tonic::Streaming<ServerReflectionResponse>,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_is_told_as_json_when_asked_for() {
    let service = Service::start().await;
    let folder = Folder::new();
    let file = folder.path().join("desk.yaml");
    let apply = async |agent: &str| {
        std::fs::write(&file, format!("desks:\n  north:\n    agents:\n      ann: {agent}\n"))
            .expect("it can be written");
        let mut command = Command::new(HANDOFF);
        command.args(["apply", "--json", "--server", &service.address]).arg(&file).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
        let output = output.expect("the program runs");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
        (output.status.success(), told)
    };
    let outcomes = |told: &serde_json::Value| -> Vec<(String, String)> {
        let resources = told.as_array().expect("an array of resources").iter();
        let word = |resource: &serde_json::Value, key: &str| resource[key].as_str().expect("a text").to_owned();
        resources.map(|resource| (word(resource, "name"), word(resource, "outcome"))).collect()
    };
    let both = |outcome: &str| {
        ["desks/north", "desks/north/agents/ann"].map(|name| (name.to_owned(), outcome.to_owned())).to_vec()
    };
    let (good, told) = apply("{tier: 2}").await;
    assert_eq!((good, outcomes(&told)), (true, both("created")));
    let (good, told) = apply("{tier: 2}").await;
    assert_eq!((good, outcomes(&told)), (true, both("unchanged")));
    let (good, told) = apply("{tier: 3}").await;
    let ann = told.as_array().and_then(|all| all.iter().find(|it| it["outcome"] == "updated")).expect("ann changed");
    assert!(good);
    assert_eq!(ann["changes"], serde_json::json!([{"field": "tier", "old": "2", "new": "3"}]));
    let (good, told) = apply("{endpoints: {phone: {connector: nowhere, address: x}}}").await;
    let ann = told.as_array().and_then(|all| all.iter().find(|it| it["outcome"] == "failed")).expect("ann failed");
    assert!(!good, "the exit code says that something failed");
    assert!(ann["remarks"][0]["message"].is_string(), "{ann}");
    service.stop().await;
}
