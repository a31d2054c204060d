//! Private Redis servers for the tests: on free loopback ports, in temporary folders, gone with their owner or with the process.
//!
//! A shell beside this process stops each: the shell waits for the end of its input, which comes however this process ends.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::PATIENCE;

const MISSING: &str =
    "Redis 7.0 or later is not installed: run scripts/prerequisites.sh, or install the Debian package `redis-server`";

/// `$1`: the server's folder; the rest: the server's arguments. A sentinel wants a file that it may write.
const SCRIPT: &str = r#"
folder=$1; shift
: >"$folder/server.conf"
redis-server "$folder/server.conf" "$@" --dir "$folder" --logfile "$folder/server.log" &
echo $!
read -r _ || true
kill -9 $! 2>/dev/null
wait 2>/dev/null
rm -rf "$folder"
"#;

/// How often a port that was free a moment ago may be somebody else's.
const PORTS_TRIED: u32 = 20;

pub struct Server {
    pub port: u16,
    arguments: Vec<String>,
    pid: u32,
    shell: Child,
}

impl Server {
    /// One that keeps nothing on disk, with more settings (`--name value`) if wanted.
    pub fn start(settings: &[&str]) -> Server {
        Server::start_as(&[settings, &["--save", "", "--appendonly", "no"]].concat())
    }

    fn start_as(arguments: &[&str]) -> Server {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let started = (0..PORTS_TRIED).find_map(|_| Server::start_at(free_port(), arguments.clone()));
        started.unwrap_or_else(|| panic!("no Redis starts: {MISSING}"))
    }

    fn start_at(port: u16, arguments: Vec<String>) -> Option<Server> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("handoff-redis-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder: PathBuf = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(&folder).args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        shell.args(&arguments);
        let mut shell =
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a shell");
        let mut said = String::new();
        BufReader::new(shell.stdout.take().expect("its output is a pipe")).read_line(&mut said).expect("it speaks");
        let server = Server { port, arguments, pid: said.trim().parse().expect("a process id"), shell };
        let is_up = || {
            server.try_say(&["INFO", "server"]).is_ok_and(|said| said.contains(&format!("process_id:{}\r", server.pid)))
        };
        within_patience(|| is_up() || !server.is_running()).then_some(())?;
        server.is_running().then_some(server)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a command, run by the default user, says.
    pub fn say(&self, command: &[&str]) -> String {
        self.try_say(command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    fn try_say(&self, command: &[&str]) -> Result<String, String> {
        let port = self.port.to_string();
        let done =
            Command::new("redis-cli").args(["-h", "127.0.0.1", "-p", &port]).args(command).output().expect(MISSING);
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
        if done.status.success() { Ok(said(&done.stdout)) } else { Err(said(&done.stderr)) }
    }

    /// As a crash does.
    pub fn kill(&self) {
        self.signal("-9");
    }

    /// Stands still, as a machine under too much load does.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Killed, and back at the same port with nothing.
    pub fn restart(&mut self) {
        self.kill();
        assert!(within_patience(|| !self.is_running()), "it ends");
        let fresh = || Server::start_at(self.port, self.arguments.clone());
        *self = (0..PORTS_TRIED).find_map(|_| fresh()).expect("it starts again");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.pid.to_string()]).status().expect("`kill` runs");
        assert!(sent.success(), "the server was there");
    }

    fn is_running(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // The shell has nothing left to do but to end.
        let _ended = self.shell.wait();
    }
}

/// Three masters that share all slots.
pub struct Cluster(pub Vec<Server>);

impl Cluster {
    pub fn start() -> Cluster {
        let settings = |bus: &str| {
            let settings = ["--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000"];
            settings.map(str::to_owned)
        };
        let nodes: Vec<Server> = (0..3)
            .map(|_| {
                let settings = settings(&free_port().to_string());
                Server::start(&settings.each_ref().map(String::as_str))
            })
            .collect();
        let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (node, (first, last)) in nodes.iter().zip(slots) {
            node.say(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        }
        for node in &nodes[1..] {
            let bus = &node.arguments[3];
            nodes[0].say(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]);
        }
        let whole = |node: &Server| {
            let said = node.say(&["CLUSTER", "INFO"]);
            said.contains("cluster_state:ok") && said.contains("cluster_known_nodes:3")
        };
        assert!(within_patience(|| nodes.iter().all(whole)), "the cluster comes together");
        Cluster(nodes)
    }

    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.0.iter().map(Server::address).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }
}

/// A master, its replica, and one sentinel that decides alone.
pub struct Watched {
    pub master: Server,
    replica: Server,
    sentinel: Server,
}

impl Watched {
    pub fn start() -> Watched {
        let master = Server::start(&["--repl-diskless-sync-delay", "0"]);
        let port = master.port.to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
        let sentinel = Server::start_as(&["--sentinel"]);
        sentinel.say(&["SENTINEL", "MONITOR", "main", "127.0.0.1", &port, "1"]);
        sentinel.say(&["SENTINEL", "SET", "main", "down-after-milliseconds", "500", "failover-timeout", "3000"]);
        let watched = Watched { master, replica, sentinel };
        watched.catch_up();
        let knows =
            || watched.sentinel.say(&["SENTINEL", "REPLICAS", "main"]).contains(&watched.replica.port.to_string());
        assert!(within_patience(knows), "the sentinel knows the replica");
        watched
    }

    /// Until the replica has what the master has.
    pub fn catch_up(&self) {
        let number = |server: &Server, field: &str| {
            let said = server.say(&["INFO", "replication"]);
            said.lines().find_map(|line| line.trim().strip_prefix(field)?.parse::<u64>().ok())
        };
        let master = number(&self.master, "master_repl_offset:");
        let caught_up = || {
            self.replica.say(&["INFO", "replication"]).contains("master_link_status:up")
                && number(&self.replica, "slave_repl_offset:") >= master
        };
        assert!(within_patience(caught_up), "the replica catches up");
    }

    pub fn url(&self) -> String {
        format!("redis+sentinel://{}/main", self.sentinel.address())
    }
}

/// Taken by nobody a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

fn within_patience(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        // Every look starts a process, or reads a file: that is slow enough.
        std::thread::park_timeout(Duration::from_millis(10));
    }
    false
}
