//! Who comes when, and what they are like: the demonstration's model of a morning, drawn from one seed.
//!
//! - Arrivals are a non-homogeneous Poisson process per channel, drawn by thinning (Lewis and Shedler, 1979): candidates at
//!   the curve's highest rate, each kept with the probability rate(t) / highest. The curve is linear between [`KNOTS`]
//!   values at equal distances over the morning.
//! - Handling times are lognormal, given by median and sigma of the logarithm ([`Line::median_secs`], [`Line::sigma`]).
//! - Patience is exponential ([`Line::patience_secs`] is its mean); who writes an e-mail or to the portal does not wait.
//! - What happens to a request (its [`Plot`]) is drawn by [`super::plot`].
//!
//! The same seed gives the same morning, whatever the machine does with it.

use rand::RngExt;
use rand::rngs::StdRng;

use rand_distr::{Distribution, Exp, LogNormal};

use super::plot::{self, Plot};
use crate::clock::Span;
use crate::entropy::stream;
use crate::proto::handoff::v1::Channel;

/// Points of a rate curve, the first at the start of the morning, the last at its end.
pub(super) const KNOTS: usize = 6;

/// The traffic of one channel. Rates are per minute.
pub(super) struct Line {
    pub(super) channel: Channel,
    /// Also the connector's id and the beginning of its tickets' ids.
    pub(super) word: &'static str,
    pub(super) connector: &'static str,
    pub(super) rates: [f64; KNOTS],
    pub(super) median_secs: f64,
    pub(super) sigma: f64,
    pub(super) patience_secs: Option<f64>,
}

pub(super) const LINES: [Line; 5] = [
    Line {
        channel: Channel::Phone,
        word: "phone",
        connector: "phone",
        rates: [1.2, 1.9, 2.8, 2.5, 1.8, 0.9],
        median_secs: 150.0,
        sigma: 0.6,
        patience_secs: Some(300.0),
    },
    Line {
        channel: Channel::Chat,
        word: "chat",
        connector: "chat",
        rates: [0.8, 1.5, 2.2, 2.0, 1.4, 0.7],
        median_secs: 220.0,
        sigma: 0.5,
        patience_secs: Some(480.0),
    },
    Line {
        channel: Channel::Social,
        word: "social",
        connector: "social",
        rates: [0.3, 0.5, 0.8, 0.8, 0.6, 0.3],
        median_secs: 180.0,
        sigma: 0.6,
        patience_secs: Some(900.0),
    },
    Line {
        channel: Channel::Email,
        word: "email",
        connector: "mailbox",
        rates: [1.5, 1.0, 0.8, 0.6, 0.5, 0.3],
        median_secs: 240.0,
        sigma: 0.7,
        patience_secs: None,
    },
    Line {
        channel: Channel::Portal,
        word: "portal",
        connector: "portal",
        rates: [0.5, 0.6, 0.6, 0.5, 0.4, 0.2],
        median_secs: 200.0,
        sigma: 0.7,
        patience_secs: None,
    },
];

/// What a morning is scaled to. The excerpt is shorter and denser, and everybody in it is quicker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) length: Span,
    pub(super) arrivals: f64,
    /// Factor on handling times, patience and every other time a person takes for the customer.
    pub(super) pace: f64,
}

impl Scale {
    pub(super) const MORNING: Scale = Scale { length: Span::from_mins(50), arrivals: 1.0, pace: 1.0 };
    /// Two minutes in which about as much happens as in ten.
    pub(super) const EXCERPT: Scale = Scale { length: Span::from_mins(2), arrivals: 4.0, pace: 0.1 };

    fn minutes(self) -> f64 {
        secs(self.length) / 60.0
    }
}

/// One request to come.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arrival {
    /// Since the start of the morning.
    pub(super) at: Span,
    pub(super) channel: Channel,
    /// Short and unique in the run, e.g. `phone-017`: the ticket's id.
    pub(super) id: String,
    pub(super) plot: Plot,
}

/// Everybody who comes, by time.
pub(super) fn morning(seed: u64, scale: Scale) -> Vec<Arrival> {
    let mut all = Vec::new();
    for (number, line) in (0_u64..).zip(&LINES) {
        let mut arrivals = stream(seed, number * 2);
        let mut people = stream(seed, number * 2 + 1);
        for (count, minute) in (1..).zip(thinned(line, scale, &mut arrivals)) {
            all.push(Arrival {
                at: span(minute * 60.0),
                channel: line.channel,
                id: format!("{}-{count:03}", line.word),
                plot: plot::draw(line, scale.pace, &mut people),
            });
        }
    }
    all.sort_by_key(|arrival| arrival.at);
    all
}

/// A generator that belongs to a name: what is drawn for an offer does not depend on which agent was asked before.
pub(super) fn stream_of(seed: u64, name: &str) -> StdRng {
    // FNV-1a, 64 bits: stable over processes, which the standard hasher is not.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    stream(seed, hash)
}

/// Minutes of the arrivals on one channel, by thinning.
fn thinned(line: &Line, scale: Scale, rng: &mut StdRng) -> Vec<f64> {
    let highest = line.rates.iter().fold(0.0_f64, |one, other| one.max(*other)) * scale.arrivals;
    let Ok(gaps) = Exp::new(highest) else { return Vec::new() };
    let mut times = Vec::new();
    let mut minute = gaps.sample(rng);
    while minute < scale.minutes() {
        let rate = rate_at(line, minute / scale.minutes()) * scale.arrivals;
        if rng.random::<f64>() * highest < rate {
            times.push(minute);
        }
        minute += gaps.sample(rng);
    }
    times
}

/// The rate per minute at a share of the morning, 0 to 1.
fn rate_at(line: &Line, share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * (KNOTS - 1) as f64;
    let before = (place.floor() as usize).min(KNOTS - 2);
    let (from, to) = (line.rates[before], line.rates[before + 1]);
    from + (to - from) * (place - before as f64)
}

/// A lognormal handling time of the channel.
pub(super) fn handling(line: &Line, pace: f64, rng: &mut StdRng) -> Span {
    lognormal(line.median_secs * pace, line.sigma, rng)
}

/// Given by the median in seconds; at most six times that, so that one draw does not outlast the morning.
pub(super) fn lognormal(median_secs: f64, sigma: f64, rng: &mut StdRng) -> Span {
    let drawn = LogNormal::new(median_secs.ln(), sigma).map_or(median_secs, |law| law.sample(rng));
    span(drawn.min(median_secs * 6.0))
}

pub(super) fn exponential(mean_secs: f64, rng: &mut StdRng) -> Span {
    span(Exp::new(mean_secs.recip()).map_or(mean_secs, |law| law.sample(rng)))
}

pub(super) fn span(secs: f64) -> Span {
    Span((secs * 1e6) as i64)
}

pub(super) fn secs(span: Span) -> f64 {
    span.micros() as f64 / 1e6
}

/// A span scaled by a factor.
pub(super) fn scaled(length: Span, factor: f64) -> Span {
    span(secs(length) * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected arrivals: the curve's integral, exactly, because it is linear between its knots.
    fn expected(line: &Line, from: f64, to: f64, scale: Scale) -> f64 {
        let steps = 10_000;
        let width = (to - from) / f64::from(steps);
        let rates = (0..steps).map(|step| rate_at(line, from + (f64::from(step) + 0.5) * width));
        rates.sum::<f64>() * width * scale.minutes() * scale.arrivals
    }

    #[test]
    fn the_mean_number_of_arrivals_follows_the_rate_curve_in_every_tenth_of_the_morning() {
        let runs = 400_u64;
        for line in &LINES {
            let mut counts = [0_u32; 10];
            for seed in 0..runs {
                for minute in thinned(line, Scale::MORNING, &mut stream(seed, 0)) {
                    counts[(minute / Scale::MORNING.minutes() * 10.0) as usize] += 1;
                }
            }
            for (tenth, count) in counts.iter().enumerate() {
                let from = tenth as f64 / 10.0;
                let mean = expected(line, from, from + 0.1, Scale::MORNING) * runs as f64;
                // Five standard deviations of a Poisson sum: a wrong curve is further off, chance never is.
                let off = (f64::from(*count) - mean).abs();
                assert!(off < 5.0 * mean.sqrt(), "{}: tenth {tenth}: {count} of {mean:.0}", line.word);
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_morning_and_another_seed_another() {
        assert_eq!(morning(7, Scale::MORNING), morning(7, Scale::MORNING));
        assert_ne!(morning(7, Scale::MORNING), morning(8, Scale::MORNING));
    }

    #[test]
    fn arrivals_are_in_order_inside_the_morning_and_have_names_of_their_own() {
        let all = morning(1, Scale::MORNING);
        assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
        assert!(all.iter().all(|arrival| arrival.at >= Span::ZERO && arrival.at < Scale::MORNING.length));
        let ids: std::collections::BTreeSet<_> = all.iter().map(|arrival| &arrival.id).collect();
        assert_eq!(ids.len(), all.len());
        assert!(LINES.iter().all(|line| all.iter().any(|arrival| arrival.channel == line.channel)));
    }

    #[test]
    fn half_of_the_handling_times_lie_below_the_median_and_patience_has_its_mean() {
        let mut rng = stream(3, 0);
        let below = (0..4_000).filter(|_| handling(&LINES[0], 1.0, &mut rng) < span(LINES[0].median_secs)).count();
        assert!((1_800..2_200).contains(&below), "{below} of 4000");
        let mean = (0..4_000).map(|_| secs(exponential(240.0, &mut rng))).sum::<f64>() / 4_000.0;
        assert!((220.0..260.0).contains(&mean), "{mean}");
    }

    #[test]
    fn a_draw_for_a_name_is_the_same_whenever_it_is_made() {
        let drawn = |name: &str| stream_of(5, name).random::<u64>();
        assert_eq!(drawn("desks/demo/offers/1"), drawn("desks/demo/offers/1"));
        assert_ne!(drawn("desks/demo/offers/1"), drawn("desks/demo/offers/2"));
    }
}
