//! `handoff serve`: the service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::service::Service;
use crate::availability::redis::Options;
use crate::clock::Clock;
use crate::config::{Settings, Shared};
use crate::grpc::serve::Terms;
use crate::probes::{self, Phase};
use crate::shutdown::{self, Signals};
use crate::telemetry;

/// Run the service
#[derive(Debug, clap::Args)]
#[command(after_help = "Settings come from defaults, then the file, then the environment, then flags.\n\n\
    Examples:\n  \
    handoff serve\n  \
    handoff serve --grpc-addr 127.0.0.1:0 --data-dir ./data\n  \
    handoff serve --database-url postgres://handoff@db/handoff --redis-url redis://redis/\n  \
    handoff serve --config /etc/handoff.toml --print-config\n  \
    HANDOFF_LOG=info,handoff=debug handoff serve")]
pub struct Args {
    /// Settings as TOML; unknown keys are refused [env: HANDOFF_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one and prints it [default: 127.0.0.1:50051] [env: HANDOFF_GRPC_ADDR]
    #[arg(long, value_name = "IP:PORT")]
    grpc_addr: Option<String>,
    /// Where to answer /livez and /readyz over HTTP; port 0 picks a free one and prints it [default: nowhere] [env: HANDOFF_HTTP_ADDR]
    #[arg(long, value_name = "IP:PORT")]
    http_addr: Option<String>,
    /// Where data is kept [default: handoff in the user's data directory] [env: HANDOFF_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// PostgreSQL that the replicas share, e.g. postgres://handoff@db/handoff; goes with --redis-url [env: HANDOFF_DATABASE_URL]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Redis that the replicas share: redis, rediss, redis+cluster or redis+sentinel [env: HANDOFF_REDIS_URL]
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// PEM file of the authority behind Redis's certificate [default: the system's] [env: HANDOFF_REDIS_CA_FILE]
    #[arg(long, value_name = "FILE")]
    redis_ca_file: Option<String>,
    /// How long calls and streams may take to end at a stop [default: 30s] [env: HANDOFF_DRAIN_TIMEOUT]
    #[arg(long, value_name = "SPAN")]
    drain_timeout: Option<String>,
    /// Which log lines are written, e.g. info,handoff=debug [default: info] [env: HANDOFF_LOG]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// text or json [default: text] [env: HANDOFF_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Whose pages may call over gRPC-web, comma-separated, or * [default: none] [env: HANDOFF_ALLOWED_ORIGINS]
    #[arg(long, value_name = "ORIGINS")]
    allowed_origins: Option<String>,
    /// Listen beyond this machine although callers are not authenticated [env: HANDOFF_INSECURE_LISTEN]
    #[arg(long)]
    insecure_listen: bool,
    /// Print the settings in force, with where each is from, and exit
    #[arg(long)]
    print_config: bool,
}

impl Args {
    fn settings(&self) -> anyhow::Result<Settings> {
        // Text that is no UTF-8 cannot be a setting of ours.
        let variables = std::env::vars_os();
        let variables: BTreeMap<String, String> =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
        let data_dir = self.data_dir.as_ref().map(|path| {
            let text = path.to_str().map(str::to_owned);
            text.with_context(|| format!("--data-dir {} is not UTF-8", path.display()))
        });
        let given = [
            ("grpc_addr", self.grpc_addr.clone()),
            ("http_addr", self.http_addr.clone()),
            ("data_dir", data_dir.transpose()?),
            ("database_url", self.database_url.clone()),
            ("redis_url", self.redis_url.clone()),
            ("redis_ca_file", self.redis_ca_file.clone()),
            ("drain_timeout", self.drain_timeout.clone()),
            ("log", self.log.clone()),
            ("log_format", self.log_format.clone()),
            ("allowed_origins", self.allowed_origins.clone()),
            ("insecure_listen", self.insecure_listen.then(|| true.to_string())),
        ];
        let flags = given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Ok(Settings::load(self.config.as_deref(), &variables, flags)?)
    }
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = args.settings()?;
    if args.print_config {
        super::print(&settings.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    telemetry::start(&settings)?;
    super::block_on(serve(&settings))??;
    Ok(ExitCode::SUCCESS)
}

/// Serves, and answers probes from before it is ready to after it was asked to stop.
async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let (phase, phases) = watch::channel(Phase::Starting);
    // Boxed: it holds all that the service waits for.
    let service = Box::pin(run_service(settings, &phase));
    let Some(addr) = settings.http_addr else { return service.await };
    let (listener, bound) = listen(addr).await?;
    super::print(&format!("http {bound}\n"))?;
    tokio::select! {
        biased;
        ended = service => ended,
        failed = probes::serve(listener, phases) => failed.context("probes cannot be answered"),
    }
}

/// Runs until asked to stop, then lets what has begun come to its end.
async fn run_service(settings: &Settings, phase: &watch::Sender<Phase>) -> anyhow::Result<()> {
    // The port first: a second process on the same one must not wait for the first one's data.
    let (listener, bound) = listen(settings.grpc_addr).await?;
    let (trigger, shutdown) = shutdown::switch();
    let clock = Clock::new(1);
    let service = match &settings.shared {
        Some(Shared { database_url, redis_url, redis_ca_file }) => {
            let redis = Options { ca_file: redis_ca_file.clone(), ..Options::new(redis_url) };
            Service::shared(database_url, redis, clock).await?
        }
        None => Service::embedded(&settings.data_dir, clock).await?,
    };
    // Before anybody is told that it is ready: from here on a signal stops it well.
    let mut signals = Signals::listen().context("cannot be told of signals")?;
    let insecure = settings.insecure_listen;
    match &settings.shared {
        Some(shared) => tracing::info!(addr = %bound, ?shared, insecure, "ready"),
        None => tracing::info!(addr = %bound, data_dir = %settings.data_dir.display(), insecure, "ready"),
    }
    super::print(&format!("grpc {bound}\n"))?;
    phase.send_replace(Phase::Serving);
    let terms = Terms { drain: settings.drain_timeout.to_std(), origins: settings.allowed_origins.clone() };
    let mut serving = std::pin::pin!(service.serve(listener, shutdown, terms));
    tokio::select! {
        ended = &mut serving => return ended,
        () = signals.asked_to_stop() => {}
    }
    tracing::info!(drain = %settings.drain_timeout, "stopping; a second signal stops at once");
    phase.send_replace(Phase::Stopping);
    trigger.stop();
    tokio::select! {
        ended = serving => ended?,
        () = signals.asked_to_stop() => anyhow::bail!("stopped at once, as asked twice"),
    }
    tracing::info!("stopped");
    Ok(())
}

async fn listen(addr: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let cannot = || format!("cannot listen on {addr}");
    let listener = TcpListener::bind(addr).await.with_context(cannot)?;
    let bound = listener.local_addr().with_context(cannot)?;
    Ok((listener, bound))
}
