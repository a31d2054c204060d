//! `handoff apply`: makes a server have what a file states.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::client::apply::{Applied, Mode, Outcome, Remark, apply};
use crate::client::connection::{Connection, said};
use crate::client::document::{self, Document};
use crate::clock::Clock;
use crate::entropy::Entropy;

/// Create what a file states and the server lacks, update what differs, delete nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "The format is described in docs/configuration.md.\n\n\
    Examples:\n  \
    handoff apply examples/desk.yaml\n  \
    handoff apply desk.yaml --dry-run\n  \
    handoff apply desk.yaml --json | jq '.[] | select(.outcome != \"unchanged\")'\n  \
    handoff export support | handoff apply - --server http://127.0.0.1:50052")]
pub struct Args {
    /// Desks with their connectors, agents and policies as YAML; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    server: super::Server,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON array with an object per resource
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = args.file.display().to_string();
    let Some(document) = read(&args.file)? else { return Ok(ExitCode::FAILURE) };
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Apply };
    let applied = super::block_on(async {
        let connection = Connection::open(&args.server.server, Clock::new(1), Entropy::from_system()).await?;
        let applied = apply(&connection, &document, mode).await;
        applied.map_err(|status| anyhow::anyhow!("the server did not tell what it has: {}", said(&status)))
    })??;
    let folder = args.file.parent().unwrap_or(Path::new(""));
    for resource in &applied {
        for remark in &resource.remarks {
            let file = remark.file.as_ref().map_or(file.clone(), |name| folder.join(name).display().to_string());
            super::complain(&format!("{}{}", super::place(&file, remark.place), said_of(resource, remark)));
        }
    }
    let text = if args.json { as_json(&applied)? } else { as_text(&applied, mode) };
    super::print(&text)?;
    let failed = applied.iter().any(|resource| resource.outcome == Outcome::Failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The document, or nothing after every mistake in it was said.
fn read(path: &Path) -> anyhow::Result<Option<Document>> {
    let source = if path == Path::new("-") {
        let mut source = String::new();
        std::io::stdin().read_to_string(&mut source).context("cannot read standard input")?;
        source
    } else {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    // Files are named relative to the one that names them.
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    match document::read(&source, |name| std::fs::read_to_string(folder.join(name))) {
        Ok(document) => Ok(Some(document)),
        Err(problems) => {
            for problem in problems {
                let way = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
                let expected = Some(problem.expected).filter(|expected| !expected.is_empty());
                let expected = expected.map(|expected| format!(" (expected: {expected})")).unwrap_or_default();
                let place = super::place(&path.display().to_string(), problem.place);
                super::complain(&format!("{place}{way}{}{expected}", problem.message));
            }
            Ok(None)
        }
    }
}

fn said_of(resource: &Applied, remark: &Remark) -> String {
    let field = if remark.field.is_empty() { String::new() } else { format!("{}: ", remark.field) };
    format!("{}: {field}{}", resource.name, remark.message)
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "created",
        Outcome::Updated => "updated",
        Outcome::Unchanged => "unchanged",
        Outcome::Failed => "failed",
    }
}

fn as_text(applied: &[Applied], mode: Mode) -> String {
    let mut text = String::new();
    for resource in applied {
        text.push_str(&format!("{:<10}{}\n", word(resource.outcome), resource.name));
        for change in &resource.changes {
            let shown = |value: &str| if value.is_empty() { "(default)".to_owned() } else { value.to_owned() };
            text.push_str(&format!("          {}: {} -> {}\n", change.key, shown(&change.old), shown(&change.new)));
        }
    }
    let outcomes = [Outcome::Created, Outcome::Updated, Outcome::Unchanged, Outcome::Failed];
    let counts = outcomes.map(|outcome| {
        let count = applied.iter().filter(|resource| resource.outcome == outcome).count();
        format!("{count} {}", word(outcome))
    });
    let note = if mode == Mode::DryRun { " (dry run: nothing was changed)" } else { "" };
    text + &counts.join(", ") + note + "\n"
}

fn as_json(applied: &[Applied]) -> anyhow::Result<String> {
    let resources = applied.iter().map(|resource| {
        let changes = resource.changes.iter();
        let changes: Vec<_> =
            changes.map(|change| json!({"field": change.key, "old": change.old, "new": change.new})).collect();
        let remarks = resource.remarks.iter().map(|remark| {
            let (line, column) = (remark.place.line, remark.place.column);
            json!({"file": remark.file, "line": line, "column": column, "field": remark.field, "message": remark.message})
        });
        let remarks: Vec<_> = remarks.collect();
        json!({"name": resource.name, "outcome": word(resource.outcome), "changes": changes, "remarks": remarks})
    });
    let resources: Vec<_> = resources.collect();
    Ok(serde_json::to_string_pretty(&resources)? + "\n")
}
