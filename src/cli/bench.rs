//! `handoff bench`: what a server does, beside what the machine allows, measured in the same run.

mod child;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::folder::Folder;
use crate::client::bench::{self, Load, Measured, Profiles, Staff, Stage, Window};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use child::Child;
use report::Report;

/// Measure rates and latencies of a server over gRPC, beside yardsticks of the same machine and run
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is measured, in turn, as often as --repetitions says; each on a new server with an empty data directory, in a process of its \
own, and a desk of a thousand agents in forty lanes:\n  \
commits    yardstick: single-row commits to SQLite, as durable as the service's\n  \
unary      yardstick: gRPC calls that do nothing (health checks), by 64 callers\n  \
create     CreateTicket until its answer names the agent who was offered it, by 1, 64 and 256 callers\n  \
submit     the same through SubmitTickets, 512 under way on four streams\n  \
resolve    CreateTicket, AcceptOffer, ResolveTicket, by 64 callers\n  \
latency    from when a ticket arrives to its offer on the connector's stream, at half of what 256 callers reached\n  \
profiles   create by 64 callers with 3,000 agents in 200 lanes: ten profiles, and all different\n\n\
With --database-url and --redis-url each measurement has replicas over these, on a desk of its own, and one more yardstick:\n  \
inserts    single-row commits to PostgreSQL by 32 connections\n\n\
A figure is the median of the repetitions, with the lowest and the highest. Load and server share the machine.\n\n\
Examples:\n  \
handoff bench                                  everything, about six minutes\n  \
handoff bench --only commits,create --json     two parts, as one JSON object\n  \
handoff bench --database-url postgres:///bench --redis-url redis://127.0.0.1 --replicas 3\n  \
handoff bench --server http://127.0.0.1:50051  a server that runs already: without commits and processor time")]
pub struct Args {
    /// Measure this server instead of starting one for each measurement
    #[arg(long, value_name = "URL", conflicts_with = "database_url")]
    server: Option<String>,
    /// Start replicas over this migrated PostgreSQL instead of embedded servers; goes with --redis-url
    #[arg(long, value_name = "URL", requires = "redis_url")]
    database_url: Option<String>,
    /// The replicas' Redis
    #[arg(long, value_name = "URL", requires = "database_url")]
    redis_url: Option<String>,
    /// How many replicas there are; callers are spread over them
    #[arg(long, value_name = "N", default_value_t = 1, requires = "database_url", value_parser = clap::value_parser!(u32).range(1..=16))]
    replicas: u32,
    /// Parts to measure [default: all]
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    repetitions: u32,
    /// Length of each measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Load before each measurement that is not counted
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=600))]
    warm_up: u32,
    /// Where the servers' data is kept meanwhile; on the kind of disk that is to be measured [default: the temporary folder]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Part {
    Commits,
    Inserts,
    Unary,
    Create,
    Submit,
    Resolve,
    Latency,
    Profiles,
}

const EVERY_PART: [Part; 8] = [
    Part::Commits,
    Part::Inserts,
    Part::Unary,
    Part::Create,
    Part::Submit,
    Part::Resolve,
    Part::Latency,
    Part::Profiles,
];

/// A desk of the usual size.
const DESK: Staff = Staff { agents: 1_000, profiles: Profiles::Ten, lanes: 40 };
const LARGE_DESK: Staff = Staff { agents: 3_000, profiles: Profiles::Ten, lanes: 200 };
const CALLERS: [usize; 3] = [1, 64, 256];
const UNARY_CALLERS: usize = 64;
const INSERTERS: u32 = 32;
const RESOLVERS: usize = 64;
const UNDER_WAY: usize = 512;
/// What the latency is measured at, of what the most callers reached.
const SHARE: f64 = 0.5;

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let report = super::block_on(measure(&args))??;
    super::print(&if args.json { report.json()? } else { report.text() })?;
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &Args) -> anyhow::Result<Report> {
    let asked = if args.only.is_empty() { EVERY_PART.to_vec() } else { args.only.clone() };
    let parts: Vec<Part> = EVERY_PART.into_iter().filter(|part| asked.contains(part)).collect();
    let bench = Bench {
        server: args.server.clone(),
        shared: args.database_url.clone().zip(args.redis_url.clone()).map(|(database_url, redis_url)| Shared {
            database_url,
            redis_url,
            replicas: args.replicas,
        }),
        folder: args.folder.clone().unwrap_or_else(std::env::temp_dir),
        window: Window {
            warm_up: Duration::from_secs(args.warm_up.into()),
            measured: Duration::from_secs(args.seconds.into()),
        },
        clock: Clock::new(1),
        progress: ProgressBar::new(u64::from(args.repetitions) * parts.len() as u64),
    };
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").context("the progress bar's template")?;
    bench.progress.set_style(style);
    let mut report = Report::new(args.repetitions, bench.window, bench.server.is_some());
    for _ in 0..args.repetitions {
        for part in &parts {
            bench.progress.set_message(format!("{part:?}").to_lowercase());
            // One measurement's desk, streams and server are gone before the next begins.
            Box::pin(bench.part(*part, &mut report)).await?;
            bench.progress.inc(1);
        }
    }
    bench.progress.finish_and_clear();
    Ok(report)
}

/// What the replicas of a measurement have in common.
struct Shared {
    database_url: String,
    redis_url: String,
    replicas: u32,
}

struct Bench {
    server: Option<String>,
    shared: Option<Shared>,
    folder: PathBuf,
    window: Window,
    clock: Clock,
    progress: ProgressBar,
}

impl Bench {
    async fn part(&self, part: Part, report: &mut Report) -> anyhow::Result<()> {
        match part {
            Part::Commits if self.server.is_some() || self.shared.is_some() => {}
            Part::Commits => report.add_rate("commits", self.commits().await?),
            Part::Inserts => {
                if let Some(shared) = &self.shared {
                    report.add_rate("inserts", self.inserts(&shared.database_url).await?);
                }
            }
            Part::Unary => {
                let children = self.start()?;
                let servers = self.addresses(&children);
                let measured = bench::health_checks(&servers[0], UNARY_CALLERS, self.window, &self.clock).await?;
                report.add("unary", measured);
            }
            Part::Create => {
                for callers in CALLERS {
                    let measured = self.closed(DESK, Load::Create { callers }).await?;
                    report.add(&format!("create {callers}"), measured);
                }
            }
            Part::Submit => report.add("submit", self.closed(DESK, Load::Submit { under_way: UNDER_WAY }).await?),
            Part::Resolve => report.add("resolve", self.closed(DESK, Load::Resolve { callers: RESOLVERS }).await?),
            Part::Latency => {
                let rate = match report.last_rate("create 256") {
                    Some(rate) => rate,
                    None => self.closed(DESK, Load::Create { callers: 256 }).await?.rate(),
                };
                let (_children, stage) = self.stage(DESK).await?;
                let measured = bench::open(&stage, rate * SHARE, self.window).await?;
                report.add("latency", measured);
            }
            Part::Profiles => {
                for (name, profiles) in [("profiles ten", Profiles::Ten), ("profiles distinct", Profiles::Distinct)] {
                    let staff = Staff { profiles, ..LARGE_DESK };
                    report.add(name, self.closed(staff, Load::Create { callers: 64 }).await?);
                }
            }
        }
        Ok(())
    }

    async fn closed(&self, staff: Staff, load: Load) -> anyhow::Result<Measured> {
        let (children, stage) = self.stage(staff).await?;
        let cpu = || match children.as_slice() {
            [] => None,
            children => children.iter().map(Child::cpu).sum(),
        };
        Ok(bench::closed(&stage, load, self.window, &cpu).await)
    }

    async fn stage(&self, staff: Staff) -> anyhow::Result<(Vec<Child>, Arc<Stage>)> {
        let children = self.start()?;
        let stage = Stage::set_up(&self.addresses(&children), staff, self.clock.clone()).await?;
        Ok((children, Arc::new(stage)))
    }

    /// Servers of its own, unless one was named.
    fn start(&self) -> anyhow::Result<Vec<Child>> {
        match &self.shared {
            Some(Shared { database_url, redis_url, replicas }) => {
                let flags = ["--database-url", database_url, "--redis-url", redis_url];
                (0..*replicas).map(|_| Child::start(&self.folder, &flags)).collect()
            }
            None if self.server.is_some() => Ok(Vec::new()),
            None => Ok(vec![Child::start(&self.folder, &[])?]),
        }
    }

    fn addresses(&self, children: &[Child]) -> Vec<String> {
        let started = children.iter().map(|child| child.address().to_owned());
        self.server.clone().into_iter().chain(started).collect()
    }

    async fn inserts(&self, database_url: &str) -> anyhow::Result<f64> {
        let entropy = Entropy::from_system();
        let commit = async |span| {
            PostgresStore::single_row_commits(database_url, INSERTERS, span, &self.clock, || entropy.uuid()).await
        };
        commit(self.window.warm_up).await?;
        let started = self.clock.uptime();
        let commits = commit(self.window.measured).await?;
        Ok(commits as f64 / (self.clock.uptime() - started).as_secs_f64())
    }

    async fn commits(&self) -> anyhow::Result<f64> {
        let folder = Folder::make(&self.folder, "bench")?;
        let store = SqliteStore::open(folder.path(), self.clock.clone()).await?;
        store.single_row_commits(self.window.warm_up).await?;
        let started = self.clock.uptime();
        let commits = store.single_row_commits(self.window.measured).await?;
        let elapsed = self.clock.uptime() - started;
        store.close().await;
        Ok(commits as f64 / elapsed.as_secs_f64())
    }
}
