//! What was measured: medians with their spread, and as ratios to the yardsticks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::client::bench::{Measured, Window};

/// Names of the figures in the order in which they are shown, with what each is.
const FIGURES: [(&str, &str); 11] = [
    ("commits", "single-row SQLite commits"),
    ("inserts", "single-row PostgreSQL commits, 32 connections"),
    ("unary", "gRPC calls that do nothing, 64 callers"),
    ("create 1", "create to offer, 1 caller"),
    ("create 64", "create to offer, 64 callers"),
    ("create 256", "create to offer, 256 callers"),
    ("submit", "create to offer, SubmitTickets"),
    ("resolve", "create, offer, accept, resolve, 64 callers"),
    ("latency", "create to offer, open loop, streamed"),
    ("profiles ten", "create to offer, 3,000 agents, 10 profiles"),
    ("profiles distinct", "create to offer, 3,000 agents, all different"),
];
const YARDSTICKS: [&str; 3] = ["commits", "inserts", "unary"];
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

#[derive(Default)]
struct Figure {
    /// Per second, of each repetition.
    rates: Vec<f64>,
    /// Microseconds of the server's processor time each.
    cpu: Vec<f64>,
    missed: u64,
    /// Of all repetitions.
    latency: Option<Histogram<u64>>,
}

pub(super) struct Report {
    repetitions: u32,
    window: Window,
    foreign: bool,
    figures: BTreeMap<String, Figure>,
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

impl Report {
    pub fn new(repetitions: u32, window: Window, foreign: bool) -> Report {
        Report { repetitions, window, foreign, figures: BTreeMap::new() }
    }

    pub fn add_rate(&mut self, name: &str, rate: f64) {
        self.figures.entry(name.to_owned()).or_default().rates.push(rate);
    }

    pub fn add(&mut self, name: &str, measured: Measured) {
        let figure = self.figures.entry(name.to_owned()).or_default();
        figure.rates.push(measured.rate());
        figure.cpu.extend(measured.cpu_each());
        figure.missed += measured.missed;
        match &mut figure.latency {
            Some(all) => all.add(&measured.latency).expect("every histogram has the same bounds"),
            None => figure.latency = Some(measured.latency),
        }
    }

    /// Of the latest repetition.
    pub fn last_rate(&self, name: &str) -> Option<f64> {
        self.figures.get(name)?.rates.last().copied()
    }

    fn rate(&self, name: &str) -> Option<f64> {
        median(&self.figures.get(name)?.rates)
    }

    fn cpu(&self, name: &str) -> Option<f64> {
        median(&self.figures.get(name)?.cpu)
    }

    /// How much dearer a decision is when no two agents have the same profile, by the server's processor time where that
    /// is known, else by the rates.
    fn profiles(&self) -> Option<f64> {
        let by_cpu = self.cpu("profiles distinct").zip(self.cpu("profiles ten")).map(|(many, ten)| many / ten);
        let by_rate = || Some(self.rate("profiles ten")? / self.rate("profiles distinct")?);
        by_cpu.or_else(by_rate)
    }

    /// The yardstick of the store that is behind the servers.
    fn commits(&self) -> &'static str {
        if self.figures.contains_key("inserts") { "inserts" } else { "commits" }
    }

    fn shown(&self) -> impl Iterator<Item = (&'static str, &'static str, &Figure)> {
        FIGURES.into_iter().filter_map(|(name, what)| Some((name, what, self.figures.get(name)?)))
    }

    pub fn text(&self) -> String {
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        let mut text = format!(
            "{} repetitions of {} s after {} s of warm-up, {processors} processors shared by load and server{}\n\n",
            self.repetitions,
            self.window.measured.as_secs(),
            self.window.warm_up.as_secs(),
            if self.foreign { " (a server that ran before)" } else { "; every answer is durable (fsync)" },
        );
        let mut line = |cells: [&str; 6]| {
            let [what, rate, spread, commits, unary, cpu] = cells;
            writeln!(text, "{what:<46}{rate:>10}{spread:>18}{commits:>11}{unary:>9}{cpu:>9}").expect("text grows");
        };
        line(["", "per second", "low .. high", "x commits", "x unary", "CPU us"]);
        for (name, what, figure) in self.shown() {
            let Some(rate) = median(&figure.rates) else { continue };
            let low = figure.rates.iter().copied().fold(f64::INFINITY, f64::min);
            let high = figure.rates.iter().copied().fold(0.0, f64::max);
            let ratio = |yardstick: &str| {
                let known = self.rate(yardstick).filter(|_| !YARDSTICKS.contains(&name));
                known.map_or(String::new(), |known| format!("{:.2}", rate / known))
            };
            let cpu = median(&figure.cpu).map_or(String::new(), |cpu| format!("{cpu:.0}"));
            let spread = format!("{low:.0} .. {high:.0}");
            line([what, &format!("{rate:.0}"), &spread, &ratio(self.commits()), &ratio("unary"), &cpu]);
        }
        text.push_str(&format!("\n{:<46}", "latency, ms"));
        QUANTILES.iter().for_each(|(name, _)| text.push_str(&format!("{name:>10}")));
        text.push('\n');
        for (_, what, figure) in self.shown() {
            let Some(latency) = &figure.latency else { continue };
            text.push_str(&format!("{what:<46}"));
            for (_, quantile) in QUANTILES {
                text.push_str(&format!("{:>10.2}", latency.value_at_quantile(quantile) as f64 / 1e3));
            }
            text.push('\n');
        }
        if let Some(ratio) = self.profiles() {
            text.push_str(&format!("\nall profiles different: {ratio:.2} times the cost of ten profiles\n"));
        }
        for (_, what, figure) in self.shown().filter(|(_, _, figure)| figure.missed > 0) {
            text.push_str(&format!("\n{what}: {} were not offered at once, or failed; not counted\n", figure.missed));
        }
        text
    }

    pub fn json(&self) -> anyhow::Result<String> {
        let figures = self.shown().map(|(name, what, figure)| {
            let latency = figure.latency.as_ref().map(|latency| {
                let values = QUANTILES.map(|(name, quantile)| (name.to_owned(), latency.value_at_quantile(quantile)));
                values.into_iter().collect::<BTreeMap<String, u64>>()
            });
            let ratio = |yardstick: &str| Some(median(&figure.rates)? / self.rate(yardstick)?);
            let value = json!({
                "what": what,
                "per_second": figure.rates,
                "median_per_second": median(&figure.rates),
                "ratio_to_commits": ratio(self.commits()),
                "ratio_to_unary": ratio("unary"),
                "server_cpu_us_each": median(&figure.cpu),
                "missed": figure.missed,
                "latency_us": latency,
            });
            (name.to_owned(), value)
        });
        let figures: serde_json::Map<String, Value> = figures.collect();
        let report = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "repetitions": self.repetitions,
            "measured_s": self.window.measured.as_secs(),
            "warm_up_s": self.window.warm_up.as_secs(),
            "processors": std::thread::available_parallelism().map_or(0, usize::from),
            "figures": figures,
            "distinct_profiles_cost_ratio": self.profiles(),
        });
        Ok(serde_json::to_string_pretty(&report)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window() -> Window {
        Window { warm_up: Duration::from_secs(1), measured: Duration::from_secs(2) }
    }

    #[test]
    fn figures_are_medians_and_ratios_to_the_yardsticks_of_the_run() {
        let mut report = Report::new(3, window(), false);
        for (commits, create) in [(100.0, 450.0), (90.0, 380.0), (110.0, 400.0)] {
            report.add_rate("commits", commits);
            report.add_rate("create 256", create);
        }
        assert_eq!(report.rate("create 256"), Some(400.0));
        let text = report.text();
        assert!(text.contains("380 .. 450") && text.contains("4.00"), "{text}");
        let json: Value = serde_json::from_str(&report.json().expect("it is JSON")).expect("it is JSON");
        assert_eq!(json["figures"]["create 256"]["ratio_to_commits"], json!(4.0));
        assert_eq!(json["figures"]["create 256"]["per_second"], json!([450.0, 380.0, 400.0]));
        assert!(json["figures"].get("submit").is_none(), "what was not measured is not shown");
    }

    #[test]
    fn an_even_number_has_the_mean_of_the_middle_two_as_its_median() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
