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
A figure is the median of the repetitions, with the lowest and the highest. Load and server share the machine.\n\n\
Examples:\n  \
handoff bench                                  everything, about six minutes\n  \
handoff bench --only commits,create --json     two parts, as one JSON object\n  \
handoff bench --server http://127.0.0.1:50051  a server that runs already: without commits and processor time")]
pub struct Args {
    /// Measure this server instead of starting one for each measurement
    #[arg(long, value_name = "URL")]
    server: Option<String>,
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
    Unary,
    Create,
    Submit,
    Resolve,
    Latency,
    Profiles,
}

const EVERY_PART: [Part; 7] =
    [Part::Commits, Part::Unary, Part::Create, Part::Submit, Part::Resolve, Part::Latency, Part::Profiles];

/// A desk of the usual size.
const DESK: Staff = Staff { agents: 1_000, profiles: Profiles::Ten, lanes: 40 };
const LARGE_DESK: Staff = Staff { agents: 3_000, profiles: Profiles::Ten, lanes: 200 };
const CALLERS: [usize; 3] = [1, 64, 256];
const UNARY_CALLERS: usize = 64;
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

struct Bench {
    server: Option<String>,
    folder: PathBuf,
    window: Window,
    clock: Clock,
    progress: ProgressBar,
}

impl Bench {
    async fn part(&self, part: Part, report: &mut Report) -> anyhow::Result<()> {
        match part {
            Part::Commits if self.server.is_some() => {}
            Part::Commits => report.add_rate("commits", self.commits().await?),
            Part::Unary => {
                let child = self.start()?;
                let server = self.address(child.as_ref());
                let measured = bench::health_checks(&server, UNARY_CALLERS, self.window, &self.clock).await?;
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
                let (_child, stage) = self.stage(DESK).await?;
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
        let (child, stage) = self.stage(staff).await?;
        Ok(bench::closed(&stage, load, self.window, &|| child.as_ref().and_then(Child::cpu)).await)
    }

    async fn stage(&self, staff: Staff) -> anyhow::Result<(Option<Child>, Arc<Stage>)> {
        let child = self.start()?;
        let stage = Stage::set_up(&self.address(child.as_ref()), staff, self.clock.clone()).await?;
        Ok((child, Arc::new(stage)))
    }

    /// A server of its own, unless one was named.
    fn start(&self) -> anyhow::Result<Option<Child>> {
        self.server.is_none().then(|| Child::start(&self.folder)).transpose()
    }

    fn address(&self, child: Option<&Child>) -> String {
        child.map(|child| child.address().to_owned()).or(self.server.clone()).unwrap_or_default()
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
