//! `handoff simulate`: the router on drawn or recorded arrivals, without a service.

use std::fmt::Display;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::simulate::calls::{self, Calls, Fault};
use crate::simulate::{bank, replay, report, scenario};
use crate::yaml::reader::Problem;

/// Who waits how long: a scenario, or recorded calls, through the router without a service
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("input").required(true).args(["scenario", "calls"])),
    after_help = "Scenarios and files of calls are described in docs/simulate.md.\n\n\
    Examples:\n  \
    handoff simulate --scenario examples/scenarios/support.yaml\n  \
    handoff simulate --scenario examples/scenarios/gold.yaml --tickets 1000000 --seed 2\n  \
    handoff simulate --scenario examples/scenarios/chat.yaml --json | jq '.classes[].figures.mean_wait_secs'\n  \
    handoff simulate --calls examples/calls.csv --agents examples/agents.csv\n  \
    handoff simulate --calls bank-calls-week1.csv --preset bank"
)]
pub struct Args {
    /// Draw arrivals from the distributions in this file
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Play the calls recorded in this CSV file
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// Who was on duty when, as CSV
    #[arg(long, value_name = "FILE", requires = "calls", required_unless_present_any = ["scenario", "preset"])]
    agents: Option<PathBuf>,
    /// The calls are in this known format, which tells the agents as well
    #[arg(long, value_name = "NAME", requires = "calls", conflicts_with = "agents")]
    preset: Option<Preset>,
    /// Use this seed: instead of the scenario's, or for what a preset has to draw [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Measure this many tickets instead of as many as the scenario says
    #[arg(long, value_name = "N", requires = "scenario")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=u64::from(scenario::MAX_TICKETS)))]
    tickets: Option<u64>,
    /// Play nothing: print the first arrivals of the scenario as a file of calls
    #[arg(long, value_name = "N", requires = "scenario", conflicts_with = "json")]
    draw_calls: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Preset {
    /// The call-by-call record of the "Anonymous Bank" telephone centre
    Bank,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match (&args.scenario, &args.calls) {
        (Some(path), _) => play(&args, path),
        (None, Some(path)) => replay(&args, path),
        (None, None) => unreachable!("one of the two is required"),
    }
}

fn play(args: &Args, path: &Path) -> anyhow::Result<ExitCode> {
    let source = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut scenario = match scenario::read(&source) {
        Ok(scenario) => scenario,
        Err(problems) => return Ok(refuse(path, &problems)),
    };
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    scenario.tickets = args.tickets.unwrap_or(scenario.tickets);
    if let Some(count) = args.draw_calls {
        super::print(&calls::write_calls(&scenario::drawn(&scenario, count)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let bar = progress(scenario.warm_up + scenario.tickets);
    let played = scenario::play(&scenario, |done| bar.set_position(done));
    bar.finish_and_clear();
    show(args, &played?, report::text)
}

fn replay(args: &Args, path: &Path) -> anyhow::Result<ExitCode> {
    let calls = match (args.preset, &args.agents) {
        (Some(Preset::Bank), _) => bytes(path).map(|source| bank::read(&source, args.seed.unwrap_or(1)))?,
        (None, Some(agents)) => match (calls::read_calls(&bytes(path)?), calls::read_agents(&bytes(agents)?)) {
            (Ok(_), Err(fault)) => return Ok(blame(agents, &fault)),
            (Ok(calls), Ok(agents)) => Ok(Calls { calls, agents, assumptions: Vec::new() }),
            (Err(fault), _) => Err(fault),
        },
        (None, None) => unreachable!("agents are required without a preset"),
    };
    let calls = match calls {
        Ok(calls) => calls,
        Err(fault) => return Ok(blame(path, &fault)),
    };
    let bar = progress(calls.calls.len() as u64);
    let replayed = replay::replay(&calls, |done| bar.set_position(done));
    bar.finish_and_clear();
    show(args, &replayed?, replay::text)
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn show<T: Serialize>(args: &Args, result: &T, text: impl Fn(&T) -> String) -> anyhow::Result<ExitCode> {
    let text = if args.json { serde_json::to_string_pretty(result)? + "\n" } else { text(result) };
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

fn blame(path: &Path, fault: &Fault) -> ExitCode {
    let fault: &dyn Display = fault;
    super::complain(&format!("{}:{fault}", path.display()));
    ExitCode::FAILURE
}

/// On stderr, and only for somebody who looks at it.
fn progress(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {eta} left");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
