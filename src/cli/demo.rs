//! `handoff demo`: a service of its own on a free port, or another one, and a morning played on it.

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use super::folder::Folder;
use super::service::Service;
use crate::client::demo::{self, Ending, Format, Length, Output, Play};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::shutdown::{self, Shutdown, Signals};

/// Fifty minutes of a service desk's morning in one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is played: a desk with five connectors (phone, chat, social, mailbox, portal) and twenty agents of three tiers, two \
of them with only a phone. Customers come as a Poisson process whose rate follows a curve over the morning, handling \
times are lognormal, patience is exponential, all drawn from the seed. Agents accept, decline, miss, escalate to \
expertise and to authority, transfer, hold, resolve; one loses her connection. Customers hang up in every phase. \
Connectors drop their streams and resume.\n\n\
At the end every connector's own record is compared with the log. Exit code 0: no decision missing, none out of order, \
no ticket in limbo; 1: at least one is; 130: broken off.\n\n\
Examples:\n  \
handoff demo                                   a service of its own, gone when it ends\n  \
handoff demo --keep                            the same, and the service stays\n  \
handoff demo --json | jq 'select(.kind == \"escalated\")'\n  \
handoff demo --server http://127.0.0.1:50051   two minutes on another service, on a new desk")]
pub struct Args {
    /// Play two minutes on this service instead of starting one
    #[arg(long, value_name = "URL", conflicts_with = "keep")]
    server: Option<String>,
    /// Seconds of the morning per second; with --server it must be the rate of that service's clock [default: 60, with
    /// --server 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=120))]
    rate: Option<u32>,
    /// Seed of the traffic and of what people do
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Leave the service running at the end, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Show every decision, however fast they come
    #[arg(long, conflicts_with = "json")]
    all: bool,
    /// One JSON object per decision, and one at the end
    #[arg(long)]
    json: bool,
}

/// Exit code of a program that was interrupted.
const INTERRUPTED: u8 = 130;
/// Real time for calls and streams to end.
const DRAIN: Duration = Duration::from_secs(5);

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let ending = super::block_on(until_told(args))??;
    Ok(match ending {
        Ending::Good => ExitCode::SUCCESS,
        Ending::Bad => ExitCode::FAILURE,
        Ending::Interrupted => ExitCode::from(INTERRUPTED),
    })
}

/// The first signal ends it well, the second at once.
async fn until_told(args: Args) -> anyhow::Result<Ending> {
    let (interrupt, interrupted) = shutdown::switch();
    let mut signals = Signals::listen().context("cannot be told of signals")?;
    let signals = async {
        signals.asked_to_stop().await;
        interrupt.stop();
        signals.asked_to_stop().await;
        anyhow::bail!("stopped at once, as asked twice")
    };
    let work = async {
        match &args.server {
            Some(server) => on_server(&args, server, interrupted).await,
            None => embedded(&args, interrupted).await,
        }
    };
    tokio::select! {
        biased;
        stopped = signals => stopped,
        ended = Box::pin(work) => ended,
    }
}

async fn on_server(args: &Args, server: &str, interrupted: Shutdown) -> anyhow::Result<Ending> {
    let entropy = Entropy::from_system();
    // A desk of its own, so that it can be repeated.
    let id = entropy.secret();
    let play = Play {
        server: server.to_owned(),
        seed: args.seed,
        desk: format!("demo-{}", &id[..8]),
        length: Length::Excerpt,
    };
    let clock = Clock::new(args.rate.unwrap_or(1));
    Ok(Box::pin(demo::run(&play, clock, entropy, output(args), interrupted)).await?)
}

/// The service as `handoff serve` runs it, but for the clock's rate, the port and the folder; then the play; then, with
/// `--keep`, whatever the user does with it.
async fn embedded(args: &Args, interrupted: Shutdown) -> anyhow::Result<Ending> {
    let folder = Folder::make(&std::env::temp_dir(), "demo")?;
    let clock = Clock::new(args.rate.unwrap_or(60));
    let (stop, stopping) = shutdown::switch();
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.context("no free port")?;
    let server = format!("http://{}", listener.local_addr().context("no free port")?);
    let service = Service::embedded(folder.path(), clock.clone()).await?;
    let serving = service.serve(listener, stopping, DRAIN);
    let playing = async {
        let play = Play { server: server.clone(), seed: args.seed, desk: "demo".to_owned(), length: Length::Morning };
        let ending = Box::pin(demo::run(&play, clock, Entropy::from_system(), output(args), interrupted.clone())).await;
        if args.keep && matches!(ending, Ok(Ending::Good | Ending::Bad)) {
            keep(args, &server, folder.path(), interrupted).await?;
        }
        // Told to stop in any case: the service would otherwise be waited for.
        stop.stop();
        Ok::<Ending, anyhow::Error>(ending?)
    };
    let (served, played) = tokio::join!(Box::pin(serving), playing);
    let ending = played?;
    served?;
    Ok(ending)
}

async fn keep(args: &Args, server: &str, folder: &Path, mut interrupted: Shutdown) -> anyhow::Result<()> {
    let text = format!(
        "\nThe service goes on at {server}, desk \"demo\", its clock at rate {}. Its data is in {} until it stops.\n\
         Look around: handoff export demo --server {server}\nStop it: Ctrl-C\n",
        args.rate.unwrap_or(60),
        folder.display(),
    );
    if args.json {
        super::complain(text.trim())
    } else {
        super::print(&text)?
    }
    interrupted.wait().await;
    Ok(())
}

fn output(args: &Args) -> Output {
    let to = std::io::stdout();
    // https://no-color.org: set and not empty.
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let format = match (args.json, args.all) {
        (true, _) => Format::Json,
        (false, true) => Format::AllLines,
        (false, false) => Format::Lines,
    };
    Output { colour: to.is_terminal() && !unwanted && !dumb && !args.json, to: Box::new(to), format }
}
