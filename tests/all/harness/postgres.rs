//! A private PostgreSQL server for the tests: made when the first of them asks, durable as a real one, gone with the process.
//!
//! A shell beside this process stops it: the shell waits for the end of its input, which comes however this process ends. This
//! file is also part of the library's own tests, so it names nothing of the crate.

use std::fs::{OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Who owns the server where the tests run as root, which PostgreSQL refuses.
const USER: &str = "postgres";
const MISSING: &str =
    "PostgreSQL 15 or later is not installed: run scripts/prerequisites.sh, or install the Debian package `postgresql`";

/// `$1`: the programs' folder; `$2`: the server's folder. Locks are given up soon, so that a deadlock is told from a long wait. A
/// collation that is not by bytes shows whether the schema relies on the database's.
const SCRIPT: &str = r#"
set -e
"$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --locale=C --locale-provider=icu --icu-locale=en-US --no-sync >"$2/initdb.log" 2>&1
cat >>"$2/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$2'
max_connections = 400
shared_buffers = 64MB
max_wal_senders = 0
deadlock_timeout = 100ms
CONF
"$1/pg_ctl" -D "$2/data" -l "$2/server.log" -w -t 120 start >"$2/start.log" 2>&1
echo ready
read -r _ || true
"$1/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null 2>&1 || true
rm -rf "$2"
"#;

pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    /// Holds the other end of its input.
    _shell: Child,
}

/// The server of this process.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// One of the caller's own, to be stopped.
    #[allow(dead_code, reason = "the library's tests stop no server")]
    pub fn own() -> &'static Server {
        Box::leak(Box::new(Server::start()))
    }

    fn start() -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let programs = programs().expect(MISSING);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("handoff-postgres-{}-{nth}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).args([&programs, &folder]).current_dir(&folder);
        if let Some((user, group)) = owner() {
            chown(&folder, Some(user), Some(group)).expect("the folder can be given away");
            shell.uid(user).gid(group);
        }
        // An interrupt from the terminal is not for it: it ends by its input.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().expect("a shell");
        let mut said = String::new();
        let output = shell.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut said).expect("the shell speaks");
        if said.trim() != "ready" {
            let logs = ["initdb.log", "start.log", "server.log"].map(|log| std::fs::read_to_string(folder.join(log)));
            panic!("PostgreSQL does not start: {logs:?}");
        }
        Server { programs, folder, _shell: shell }
    }

    /// Speaks TLS on a port of the loopback address from now on, with the `server.pem` and `server.key` of this folder.
    #[allow(dead_code, reason = "the library's tests need no TLS")]
    pub fn speak_tls(&self, certificates: &Path) -> u16 {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port();
        for name in ["server.pem", "server.key"] {
            let file = self.folder.join("data").join(name);
            std::fs::copy(certificates.join(name), &file).expect("a copy");
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its own");
            if let Some((user, group)) = owner() {
                chown(&file, Some(user), Some(group)).expect("the file can be given away");
            }
        }
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n"
        );
        let mut file =
            OpenOptions::new().append(true).open(self.folder.join("data/postgresql.conf")).expect("its settings");
        file.write_all(settings.as_bytes()).expect("written");
        self.control("restart");
        port
    }

    /// `start`, `restart`, or `stop` as a crash does.
    #[allow(dead_code, reason = "the library's tests stop no server")]
    pub fn control(&self, verb: &str) {
        let mut control = Command::new(self.programs.join("pg_ctl"));
        control.arg("-D").arg(self.folder.join("data")).arg("-l").arg(self.folder.join("server.log"));
        control.args(if verb == "stop" { &["-m", "immediate"][..] } else { &[] }).args(["-w", verb]);
        if let Some((user, group)) = owner() {
            control.uid(user).gid(group);
        }
        let done = control.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(done.expect("pg_ctl runs").success(), "pg_ctl {verb}");
    }

    /// An empty database, or a copy of another to which nobody is connected.
    pub fn database(&'static self, template: Option<&str>) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let template = template.map(|template| format!("--template={template}"));
        self.run("createdb", template.iter().map(String::as_str).chain([name.as_str()]));
        Database { server: self, name }
    }

    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> String {
        self.try_run(program, "postgres", arguments).unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    fn try_run<'a>(
        &self,
        program: &str,
        user: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<String, String> {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-h").arg(&self.folder).args(["-U", user]).args(arguments).stdin(Stdio::null());
        let done = command.output().map_err(|error| error.to_string())?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() { Ok(said(&done.stdout)) } else { Err(said(&done.stderr)) }
    }
}

/// Dropped with its owner, whoever is still connected.
pub struct Database {
    server: &'static Server,
    pub name: String,
}

impl Database {
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    pub fn url_as(&self, user: &str) -> String {
        format!("postgres:///{}?host={}&user={user}", self.name, self.server.folder.display())
    }

    /// What a statement, run by the server's owner, says.
    pub fn say(&self, statement: &str) -> String {
        self.say_as("postgres", statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    pub fn say_as(&self, user: &str, statement: &str) -> Result<String, String> {
        self.server.try_run("psql", user, ["-d", &self.name, "-v", "ON_ERROR_STOP=1", "-qAtc", statement])
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.run("dropdb", ["--force", self.name.as_str()]);
    }
}

/// Where the programs are: on the path, or where Debian keeps them, the newest first.
fn programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let of_debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut of_debian: Vec<(u32, PathBuf)> = of_debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, _)| *version >= 15)
        .collect();
    of_debian.sort();
    let newest_first = of_debian.into_iter().rev().map(|(_, folder)| folder);
    let has_all = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres", "psql", "createdb", "dropdb"].iter().all(|name| folder.join(name).is_file())
    };
    newest_first.chain(on_path.into_iter().flatten()).find(has_all)
}

/// Who the server belongs to, where that is not whoever runs the tests.
fn owner() -> Option<(u32, u32)> {
    (id("-u", None) == 0).then(|| (id("-u", Some(USER)), id("-g", Some(USER))))
}

fn id(flag: &str, user: Option<&str>) -> u32 {
    let done = Command::new("id").arg(flag).args(user).output().expect("`id` runs");
    let said = String::from_utf8_lossy(&done.stdout);
    said.trim().parse().unwrap_or_else(|_| panic!("there is no user {USER}: {MISSING}"))
}
