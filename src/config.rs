//! Settings of the service: defaults < file (TOML) < environment < flags. Unknown keys are refused, and what came of it all can
//! be printed with where each value is from, without passwords.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::domain::time::Span;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub grpc_addr: SocketAddr,
    /// Where an orchestrator asks whether the process is alive and ready; `None`: nowhere.
    pub http_addr: Option<SocketAddr>,
    /// Of the embedded service; not used by one of many replicas.
    pub data_dir: PathBuf,
    /// What replicas share; `None`: the service is embedded.
    pub shared: Option<Shared>,
    /// How long calls and streams may take to end when the process is stopped.
    pub drain_timeout: Span,
    /// Which log lines are written: `info`, or by target, `info,handoff=debug`.
    pub log: String,
    pub log_format: LogFormat,
    /// Origins whose pages may call, e.g. `https://desk.example.com`; or `*` alone.
    pub allowed_origins: Vec<String>,
    /// Listening beyond this machine without authentication was asked for in so many words.
    pub insecure_listen: bool,
    origins: BTreeMap<&'static str, Origin>,
}

/// What replicas share. The URLs may hold passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Shared {
    pub database_url: String,
    pub redis_url: String,
    /// PEM file with the authority that signed Redis's certificate, where the system does not trust it.
    pub redis_ca_file: Option<PathBuf>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (database, redis) = (without_password(&self.database_url), without_password(&self.redis_url));
        f.debug_struct("Shared").field("database_url", &database).field("redis_url", &redis).finish_non_exhaustive()
    }
}

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Preset,
    /// File and line.
    File(PathBuf, usize),
    Environment(String),
    Flag,
}

/// One value of a layer, not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub key: &'static str,
    pub value: String,
    pub origin: Origin,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the configuration file {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} is not TOML: {message}")]
    Syntax { path: PathBuf, message: String },
    #[error("unknown setting `{key}` ({origin}); known are {}", keys())]
    Unknown { key: String, origin: Origin },
    #[error("{key} = `{value}` ({origin}): {expected}")]
    Value { key: &'static str, value: String, origin: Origin, expected: String },
    #[error(
        "{given} is set and {missing} is not: replicas share a PostgreSQL and a Redis; without either the service is embedded"
    )]
    Half { given: &'static str, missing: &'static str },
    #[error("no data directory: set `data_dir`, as there is neither XDG_DATA_HOME nor HOME to choose one by")]
    NoDataDir,
    #[error(
        "grpc_addr = {addr} ({origin}) is reached from other machines, and callers are not authenticated: listen on 127.0.0.1, or \
         allow it with `insecure_listen = true`"
    )]
    InsecureListen { addr: SocketAddr, origin: Origin },
}

/// Every setting with its preset; the empty one is worked out.
const KEYS: [(&str, &str); 11] = [
    ("grpc_addr", "127.0.0.1:50051"),
    ("http_addr", ""),
    ("data_dir", ""),
    ("database_url", ""),
    ("redis_url", ""),
    ("redis_ca_file", ""),
    ("drain_timeout", "30s"),
    ("log", "info"),
    ("log_format", "text"),
    ("allowed_origins", ""),
    ("insecure_listen", "false"),
];

const PREFIX: &str = "HANDOFF_";

/// Variables with the prefix that are no settings: the file's own, and those of the client commands.
const OTHER_VARIABLES: [&str; 2] = ["HANDOFF_CONFIG", "HANDOFF_SERVER"];

const MAX_DRAIN: Span = Span::from_mins(10);

impl Settings {
    /// Puts the layers together. `variables` is the process's environment.
    pub fn load(
        file: Option<&Path>,
        variables: &BTreeMap<String, String>,
        flags: Vec<(&'static str, String)>,
    ) -> Result<Settings, Error> {
        let mut given: BTreeMap<&'static str, Given> = BTreeMap::new();
        let file = file.map(Path::to_path_buf).or_else(|| variables.get("HANDOFF_CONFIG").map(PathBuf::from));
        let from_file = file.map_or(Ok(Vec::new()), |path| read_file(&path))?;
        let flags = flags.into_iter().map(|(key, value)| Given { key, value, origin: Origin::Flag });
        for value in from_file.into_iter().chain(from_environment(variables)?).chain(flags) {
            given.insert(value.key, value);
        }
        Settings::read(given, variables)
    }

    fn read(given: BTreeMap<&'static str, Given>, variables: &BTreeMap<String, String>) -> Result<Settings, Error> {
        let value = |key: &'static str| {
            let preset = KEYS.iter().find(|(name, _)| *name == key).map_or("", |(_, preset)| *preset).to_owned();
            given.get(key).cloned().unwrap_or(Given { key, value: preset, origin: Origin::Preset })
        };
        let data_dir = match given.get("data_dir") {
            Some(given) if given.value.is_empty() => return Err(given.refused("the path of a directory")),
            Some(given) => PathBuf::from(&given.value),
            None if given.contains_key("database_url") => PathBuf::new(),
            None => preset_data_dir(variables).ok_or(Error::NoDataDir)?,
        };
        let settings = Settings {
            grpc_addr: address(&value("grpc_addr"))?,
            http_addr: Some(value("http_addr"))
                .filter(|given| !given.value.is_empty())
                .map(|given| address(&given))
                .transpose()?,
            data_dir,
            shared: shared(&value("database_url"), &value("redis_url"), &value("redis_ca_file"))?,
            drain_timeout: drain(&value("drain_timeout"))?,
            log: value("log").value,
            log_format: value("log_format").one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
            allowed_origins: origins(&value("allowed_origins"))?,
            insecure_listen: value("insecure_listen").one_of(&[("true", true), ("false", false)])?,
            origins: KEYS.iter().map(|(key, _)| (*key, value(key).origin)).collect(),
        };
        if !settings.grpc_addr.ip().is_loopback() && !settings.insecure_listen {
            return Err(Error::InsecureListen { addr: settings.grpc_addr, origin: value("grpc_addr").origin });
        }
        Ok(settings)
    }
}

/// As a file that gives the same settings, with where each value is from.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| toml::Value::String(text.to_owned());
        let format = match self.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let shared = self.shared.as_ref();
        let url =
            |url: fn(&Shared) -> &String| text(&shared.map_or(String::new(), |shared| without_password(url(shared))));
        let ca_file = shared
            .and_then(|shared| shared.redis_ca_file.as_ref())
            .map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        let values = [
            ("grpc_addr", text(&self.grpc_addr.to_string())),
            ("http_addr", text(&self.http_addr.map_or_else(String::new, |addr| addr.to_string()))),
            ("data_dir", text(&self.data_dir.to_string_lossy())),
            ("database_url", url(|shared| &shared.database_url)),
            ("redis_url", url(|shared| &shared.redis_url)),
            ("redis_ca_file", text(&ca_file)),
            ("drain_timeout", text(&self.drain_timeout.to_string())),
            ("log", text(&self.log)),
            ("log_format", text(format)),
            ("allowed_origins", toml::Value::from(self.allowed_origins.clone())),
            ("insecure_listen", toml::Value::Boolean(self.insecure_listen)),
        ];
        for (key, value) in values {
            writeln!(f, "{key} = {value} # {}", self.origins.get(key).unwrap_or(&Origin::Preset))?;
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Preset => f.write_str("default"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag => f.write_str("command line"),
        }
    }
}

impl Given {
    fn refused(&self, expected: &str) -> Error {
        let expected = format!("expected {expected}");
        Error::Value { key: self.key, value: self.value.clone(), origin: self.origin.clone(), expected }
    }

    fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Error> {
        let found = words.iter().find(|(word, _)| *word == self.value).map(|(_, value)| *value);
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        found.ok_or_else(|| self.refused(&known.join(" or ")))
    }
}

fn shared(database_url: &Given, redis_url: &Given, redis_ca_file: &Given) -> Result<Option<Shared>, Error> {
    let half = |given, missing| Err(Error::Half { given, missing });
    match (database_url.value.as_str(), redis_url.value.as_str()) {
        ("", "") if !redis_ca_file.value.is_empty() => half("redis_ca_file", "redis_url"),
        ("", "") => Ok(None),
        (_, "") => half("database_url", "redis_url"),
        ("", _) => half("redis_url", "database_url"),
        (database_url, redis_url) => Ok(Some(Shared {
            database_url: database_url.to_owned(),
            redis_url: redis_url.to_owned(),
            redis_ca_file: Some(PathBuf::from(&redis_ca_file.value)).filter(|path| !path.as_os_str().is_empty()),
        })),
    }
}

/// A URL as it may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let hidden = rest[..end].rsplit_once('@').and_then(|(user, hosts)| Some((user.split_once(':')?.0, hosts)));
    hidden.map_or_else(|| url.to_owned(), |(user, hosts)| format!("{scheme}://{user}:***@{hosts}{}", &rest[end..]))
}

fn address(given: &Given) -> Result<SocketAddr, Error> {
    let address = given.value.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let parsed = address.as_ref().unwrap_or(&given.value).parse();
    parsed.map_err(|_| given.refused("an IP address and a port, e.g. 127.0.0.1:50051; port 0 picks a free one"))
}

fn drain(given: &Given) -> Result<Span, Error> {
    let span = given.value.parse::<Span>().ok().filter(|span| *span <= MAX_DRAIN);
    span.ok_or_else(|| given.refused(&format!("a span of time from 0s to {MAX_DRAIN}, e.g. 30s")))
}

/// What browsers send as `Origin`, or `*` alone. Anything else would never match, so it is refused.
fn origins(given: &Given) -> Result<Vec<String>, Error> {
    let listed: Vec<String> = given.value.split(',').map(|origin| origin.trim().to_owned()).collect();
    if given.value.trim().is_empty() {
        return Ok(Vec::new());
    }
    let all = listed.len() == 1 && listed[0] == "*";
    if all || listed.iter().all(|origin| is_origin(origin)) {
        return Ok(listed);
    }
    Err(given
        .refused("origins as browsers send them, e.g. https://desk.example.com or http://localhost:8000; or * alone"))
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(good))
}

fn keys() -> String {
    KEYS.map(|(key, _)| key).join(", ")
}

fn known(key: &str) -> Option<&'static str> {
    KEYS.iter().map(|(known, _)| *known).find(|known| *known == key)
}

fn read_file(path: &Path) -> Result<Vec<Given>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let table: BTreeMap<String, toml::Spanned<toml::Value>> = toml::from_str(&text)
        .map_err(|error| Error::Syntax { path: path.to_owned(), message: error.to_string().trim_end().to_owned() })?;
    let mut given = Vec::new();
    for (name, value) in table {
        let line = text[..value.span().start].matches('\n').count() + 1;
        let origin = Origin::File(path.to_owned(), line);
        let key = known(&name).ok_or_else(|| Error::Unknown { key: name.clone(), origin: origin.clone() })?;
        let value = match value.into_inner() {
            toml::Value::String(text) => text,
            toml::Value::Array(items) => {
                let texts = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                texts.collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        given.push(Given { key, value, origin });
    }
    Ok(given)
}

fn from_environment(variables: &BTreeMap<String, String>) -> Result<Vec<Given>, Error> {
    let mut given = Vec::new();
    for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        if OTHER_VARIABLES.contains(&name.as_str()) || is_service_link(name) {
            continue;
        }
        let origin = Origin::Environment(name.clone());
        let key = known(&name[PREFIX.len()..].to_ascii_lowercase());
        let key = key.ok_or_else(|| Error::Unknown { key: name.clone(), origin: origin.clone() })?;
        given.push(Given { key, value: value.clone(), origin });
    }
    Ok(given)
}

/// Kubernetes puts `HANDOFF_SERVICE_HOST`, `HANDOFF_PORT_50051_TCP` and so on into every pod beside a service called `handoff`.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn preset_data_dir(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    let home = |name: &str| variables.get(name).filter(|path| Path::new(path).is_absolute()).map(PathBuf::from);
    home("XDG_DATA_HOME").or_else(|| Some(home("HOME")?.join(".local/share"))).map(|base| base.join("handoff"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let home = ("HOME".to_owned(), "/home/me".to_owned());
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).chain([home]).collect()
    }

    fn load(pairs: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Settings, String> {
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Settings::load(None, &variables(pairs), flags).map_err(|error| error.to_string())
    }

    /// A file of its own, removed with the value.
    struct File(PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> File {
            let path = std::env::temp_dir().join(format!("handoff-config-{}-{name}.toml", std::process::id()));
            std::fs::write(&path, text).expect("a temporary file can be written");
            File(path)
        }

        fn load(&self, pairs: &[(&str, &str)]) -> Result<Settings, String> {
            Settings::load(Some(&self.0), &variables(pairs), Vec::new()).map_err(|error| error.to_string())
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).expect("the temporary file is there");
        }
    }

    #[test]
    fn without_anything_the_service_listens_on_this_machine_only() {
        let settings = load(&[], &[]).expect("the defaults are good");
        assert_eq!(settings.grpc_addr.to_string(), "127.0.0.1:50051");
        assert_eq!(settings.data_dir, Path::new("/home/me/.local/share/handoff"));
        assert_eq!((settings.drain_timeout, settings.log_format), (Span::from_secs(30), LogFormat::Text));
        let elsewhere = load(&[("XDG_DATA_HOME", "/data")], &[]).expect("good");
        assert_eq!(elsewhere.data_dir, Path::new("/data/handoff"));
        assert!(Settings::load(None, &BTreeMap::new(), Vec::new()).is_err());
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_file() {
        let file = File::new("layers", "grpc_addr = \"127.0.0.1:1\"\nlog = \"debug\"\ninsecure_listen = true\n");
        let settings = file.load(&[]).expect("good");
        assert_eq!((settings.grpc_addr.port(), settings.log.as_str(), settings.insecure_listen), (1, "debug", true));
        let vars = [("HANDOFF_GRPC_ADDR", "127.0.0.1:2"), ("HANDOFF_DATA_DIR", "/env")];
        let settings = file.load(&vars).expect("good");
        assert_eq!((settings.grpc_addr.port(), settings.log.as_str()), (2, "debug"));
        assert_eq!(settings.http_addr, None);
        let flags = vec![("grpc_addr", "127.0.0.1:3".to_owned())];
        let settings = Settings::load(Some(&file.0), &variables(&vars), flags).expect("good");
        assert_eq!((settings.grpc_addr.port(), settings.data_dir.to_str()), (3, Some("/env")));
        let by_variable = variables(&[("HANDOFF_CONFIG", file.0.to_str().expect("text"))]);
        assert_eq!(Settings::load(None, &by_variable, Vec::new()).expect("good").log, "debug");
    }

    #[test]
    fn unknown_keys_are_refused_wherever_they_stand() {
        let file = File::new("unknown", "log = \"info\"\n\ngrcp_addr = \"127.0.0.1:1\"\n");
        let error = file.load(&[]).expect_err("a slip of the pen");
        assert!(error.contains("unknown setting `grcp_addr`") && error.contains("toml:3"), "{error}");
        let error = load(&[("HANDOFF_GRCP_ADDR", "x")], &[]).expect_err("a slip of the pen");
        assert!(error.contains("HANDOFF_GRCP_ADDR"), "{error}");
        let links = [
            ("HANDOFF_SERVICE_HOST", "10.0.0.1"),
            ("HANDOFF_SERVICE_PORT_GRPC", "50051"),
            ("HANDOFF_PORT", "tcp://10.0.0.1:50051"),
            ("HANDOFF_PORT_50051_TCP_ADDR", "10.0.0.1"),
            ("HANDOFF_SERVER", "http://127.0.0.1:50051"),
        ];
        load(&links, &[]).expect("not settings, and not ours");
    }

    #[test]
    fn a_value_that_cannot_be_used_is_refused_with_where_it_is_from() {
        let expect = |key, value: &str, part: &str| {
            let error = load(&[], &[(key, value)]).expect_err(value);
            assert!(error.contains(part) && error.contains("command line"), "{error}");
        };
        expect("grpc_addr", "50051", "an IP address and a port");
        expect("drain_timeout", "30", "0s to 10m");
        expect("drain_timeout", "11m", "0s to 10m");
        expect("log_format", "xml", "text or json");
        expect("insecure_listen", "yes", "true or false");
        expect("data_dir", "", "the path of a directory");
        for origin in
            ["desk.example.com", "https://desk.example.com/", "https://a.example, *", "null", "https://A.example"]
        {
            expect("allowed_origins", origin, "origins as browsers send them");
        }
        let file = File::new("syntax", "log = \n");
        assert!(file.load(&[]).expect_err("no TOML").contains("is not TOML"));
    }

    #[test]
    fn replicas_share_a_database_and_an_index_or_neither() {
        assert_eq!(load(&[], &[]).expect("good").shared, None);
        let urls = [("database_url", "postgres://me:pass@word@db/handoff?a=b"), ("redis_url", "rediss://:hush@r:1")];
        let shared = Settings::load(None, &BTreeMap::new(), urls.map(|(key, url)| (key, url.to_owned())).to_vec());
        let shared = shared.expect("a replica needs no home");
        let printed = shared.to_string();
        assert!(printed.contains("\"postgres://me:***@db/handoff?a=b\""), "{printed}");
        assert!(printed.contains("\"rediss://:***@r:1\""), "{printed}");
        let told = format!("{shared:?}");
        assert!(!told.contains("pass") && !told.contains("hush"), "{told}");
        for (key, value) in urls {
            let error = load(&[], &[(key, value)]).expect_err("one of two");
            assert!(error.contains("database_url") && error.contains("redis_url"), "{error}");
        }
        assert!(load(&[("HANDOFF_REDIS_CA_FILE", "/ca")], &[]).is_err());
    }

    #[test]
    fn listening_to_other_machines_without_authentication_takes_a_word() {
        let error = load(&[], &[("grpc_addr", "0.0.0.0:50051")]).expect_err("no authentication");
        assert!(error.contains("insecure_listen"), "{error}");
        load(&[], &[("grpc_addr", "0.0.0.0:50051"), ("insecure_listen", "true")]).expect("asked for");
        for local in ["[::1]:0", "localhost:0", "127.1.2.3:0"] {
            load(&[], &[("grpc_addr", local)]).expect(local);
        }
    }

    #[test]
    fn pages_of_other_origins_are_allowed_by_name_only() {
        assert!(load(&[], &[]).expect("good").allowed_origins.is_empty());
        let listed = ["https://desk.example.com", "http://localhost:8000"];
        let settings = load(&[("HANDOFF_ALLOWED_ORIGINS", &listed.join(", "))], &[]).expect("good");
        assert_eq!(settings.allowed_origins, listed);
        let file =
            File::new("origins", "allowed_origins = [\"https://desk.example.com\", \"http://localhost:8000\"]\n");
        assert_eq!(file.load(&[]).expect("good").allowed_origins, listed);
        assert_eq!(load(&[], &[("allowed_origins", "*")]).expect("good").allowed_origins, ["*"]);
    }

    #[test]
    fn what_is_printed_is_a_file_with_the_same_settings() {
        let flags = [
            ("drain_timeout", "1m30s"),
            ("data_dir", "/with \"quotes\""),
            ("log_format", "json"),
            ("allowed_origins", "http://a:1,https://b"),
        ];
        let settings = load(&[("HANDOFF_LOG", "debug")], &flags).expect("good");
        let printed = settings.to_string();
        assert!(printed.contains("grpc_addr = \"127.0.0.1:50051\" # default\n"), "{printed}");
        assert!(printed.contains("log = \"debug\" # environment HANDOFF_LOG\n"), "{printed}");
        let again = File::new("printed", &printed).load(&[]).expect("good");
        assert_eq!(Settings { origins: BTreeMap::new(), ..again }, Settings { origins: BTreeMap::new(), ..settings });
    }
}
