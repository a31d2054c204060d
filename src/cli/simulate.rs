//! `handoff simulate`: the router on drawn or recorded arrivals, without a service.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::simulate::{report, scenario};
use crate::yaml::reader::Problem;

/// Play a scenario through the router, and print who waited how long
#[derive(Debug, clap::Args)]
#[command(after_help = "Scenarios and call files are described in docs/simulate.md.\n\n\
    Examples:\n  \
    handoff simulate --scenario examples/scenarios/support.yaml\n  \
    handoff simulate --scenario examples/scenarios/support.yaml --json | jq '.classes[].figures.waited'")]
pub struct Args {
    /// Draw arrivals from the distributions in this file
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
    /// Use another seed than the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Measure this many tickets instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=u64::from(scenario::MAX_TICKETS)))]
    tickets: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let path = &args.scenario;
    let source = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut scenario = match scenario::read(&source) {
        Ok(scenario) => scenario,
        Err(problems) => return Ok(refuse(path, &problems)),
    };
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    scenario.tickets = args.tickets.unwrap_or(scenario.tickets);
    let bar = progress(scenario.warm_up + scenario.tickets);
    let played = scenario::play(&scenario, |done| bar.set_position(done))?;
    bar.finish_and_clear();
    let text = if args.json { serde_json::to_string_pretty(&played)? + "\n" } else { report::text(&played) };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn refuse(path: &Path, problems: &[Problem]) -> ExitCode {
    for problem in problems {
        let way = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
        let expected = Some(&problem.expected).filter(|expected| !expected.is_empty());
        let expected = expected.map(|expected| format!(" (expected: {expected})")).unwrap_or_default();
        let place = super::place(&path.display().to_string(), problem.place);
        super::complain(&format!("{place}{way}{}{expected}", problem.message));
    }
    ExitCode::FAILURE
}

/// On stderr, and only for somebody who looks at it.
fn progress(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
