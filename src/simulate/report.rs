//! What a scenario came to, as text.

use std::fmt::Write;

use super::measure::Estimate;
use super::scenario::Played;
use crate::domain::time::Span;

/// Tables for people: each value with how far the true one may lie from it (99 %).
pub fn text(played: &Played) -> String {
    let mut text = format!(
        "{} tickets after {} of warm-up, seed {}, {} simulated\n\
         99 % intervals by batch means: {} batches, Student's t\n\n",
        played.tickets,
        played.warm_up,
        played.seed,
        rounded(played.simulated_secs),
        played.batches,
    );
    let mut rows = vec![heads(played)];
    for class in &played.classes {
        let mut row = vec![class.class.clone(), class.arrivals.to_string()];
        if let Some(figures) = &class.figures {
            row.extend([percent(figures.waited), seconds(figures.mean_wait_secs)]);
            row.extend(figures.wait_percentiles_secs.iter().map(|(_, estimate)| seconds(*estimate)));
            row.extend(figures.answered_within.iter().map(|(_, estimate)| percent(*estimate)));
            row.push(percent(figures.abandoned));
        }
        rows.push(row);
    }
    text.push_str(&table(&rows));
    text.push('\n');
    let mut rows = vec![["agents", "count", "utilisation"].map(str::to_owned).to_vec()];
    for group in &played.agents {
        let utilisation = group.utilisation.map_or_else(String::new, percent);
        rows.push(vec![group.group.clone(), group.count.to_string(), utilisation]);
    }
    text.push_str(&table(&rows));
    if played.unsettled > 0 {
        let note = "measured tickets still waited when the run was broken off: there are not enough agents";
        text.push_str(&format!("\n{} {note}\n", played.unsettled));
    }
    text
}

fn heads(played: &Played) -> Vec<String> {
    let mut heads = ["class", "arrivals", "waited", "mean wait"].map(str::to_owned).to_vec();
    if let Some(figures) = played.classes.iter().find_map(|class| class.figures.as_ref()) {
        heads.extend(figures.wait_percentiles_secs.iter().map(|(name, _)| (*name).to_owned()));
        heads.extend(figures.answered_within.iter().map(|(secs, _)| format!("in {}", short(*secs))));
    }
    heads.push("gave up".to_owned());
    heads
}

fn percent(estimate: Estimate) -> String {
    let Estimate { value, within } = estimate.times(100.0);
    if within.is_finite() { format!("{value:.2} ±{within:.2} %") } else { format!("{value:.2} %") }
}

fn seconds(estimate: Estimate) -> String {
    let Estimate { value, within } = estimate;
    if within.is_finite() { format!("{value:.2} ±{within:.2} s") } else { format!("{value:.2} s") }
}

fn short(secs: f64) -> String {
    super::draw::span(secs).to_string()
}

/// To the second.
fn rounded(secs: f64) -> String {
    Span::from_secs(secs.round() as i64).to_string()
}

/// Columns under their heads: the first to the left, the others to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[at] - cell.chars().count());
            let gap = if at == 0 { "" } else { "  " };
            let written = if at == 0 { write!(line, "{cell}{pad}") } else { write!(line, "{gap}{pad}{cell}") };
            written.expect("a string takes all text");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
