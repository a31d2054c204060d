//! Spans of time drawn from a law: handling, patience, the time an agent takes to answer.

use rand::Rng;
use rand_distr::{Distribution, Exp, Gamma, LogNormal, Uniform};

use crate::domain::time::Span;

/// The law of a span, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    Constant(f64),
    /// By its mean.
    Exponential(f64),
    /// `cv`: the standard deviation over the mean.
    LogNormal {
        mean: f64,
        cv: f64,
    },
    /// With a whole `shape` this is the Erlang law of so many phases.
    Gamma {
        mean: f64,
        shape: f64,
    },
    Uniform {
        from: f64,
        to: f64,
    },
}

/// A law ready to be drawn from.
#[derive(Clone, Copy, Debug)]
pub struct Draw(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Constant(f64),
    Exponential(Exp<f64>),
    LogNormal(LogNormal<f64>),
    Gamma(Gamma<f64>),
    Uniform(Uniform<f64>),
}

impl Law {
    /// `None`: no such law, e.g. with a mean of zero.
    pub fn ready(self) -> Option<Draw> {
        let kind = match self {
            Law::Constant(secs) => Some(Kind::Constant(secs)),
            Law::Exponential(mean) => Exp::new(mean.recip()).ok().map(Kind::Exponential),
            Law::LogNormal { mean, cv } => LogNormal::from_mean_cv(mean, cv).ok().map(Kind::LogNormal),
            Law::Gamma { mean, shape } => Gamma::new(shape, mean / shape).ok().map(Kind::Gamma),
            Law::Uniform { from, to } => Uniform::new_inclusive(from, to).ok().map(Kind::Uniform),
        };
        kind.map(Draw)
    }

    /// In seconds.
    pub fn mean(self) -> f64 {
        match self {
            Law::Constant(secs) => secs,
            Law::Exponential(mean) | Law::LogNormal { mean, .. } | Law::Gamma { mean, .. } => mean,
            Law::Uniform { from, to } => f64::midpoint(from, to),
        }
    }
}

impl Draw {
    pub fn draw(&self, rng: &mut impl Rng) -> Span {
        span(match &self.0 {
            Kind::Constant(secs) => *secs,
            Kind::Exponential(law) => law.sample(rng),
            Kind::LogNormal(law) => law.sample(rng),
            Kind::Gamma(law) => law.sample(rng),
            Kind::Uniform(law) => law.sample(rng),
        })
    }
}

/// To the microsecond, never negative.
pub fn span(secs: f64) -> Span {
    Span((secs.max(0.0) * 1e6).round() as i64)
}

pub fn secs(span: Span) -> f64 {
    span.micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy;

    #[test]
    fn every_law_has_the_mean_it_is_given_by() {
        let laws = [
            Law::Constant(120.0),
            Law::Exponential(120.0),
            Law::LogNormal { mean: 120.0, cv: 1.2 },
            Law::Gamma { mean: 120.0, shape: 3.0 },
            Law::Uniform { from: 60.0, to: 180.0 },
        ];
        for (at, law) in (0..).zip(laws) {
            let draw = law.ready().expect("a law");
            let mut rng = entropy::stream(7, at);
            let count = 100_000;
            let mean = (0..count).map(|_| secs(draw.draw(&mut rng))).sum::<f64>() / f64::from(count);
            assert!((mean - law.mean()).abs() < 2.0, "{law:?}: {mean}");
        }
    }

    #[test]
    fn the_spread_is_that_of_the_law() {
        let spread = |law: Law| {
            let (draw, mut rng) = (law.ready().expect("a law"), entropy::stream(8, 1));
            let drawn: Vec<f64> = (0..100_000).map(|_| secs(draw.draw(&mut rng))).collect();
            let mean = drawn.iter().sum::<f64>() / 1e5;
            (drawn.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 1e5).sqrt() / mean
        };
        assert!((spread(Law::Exponential(10.0)) - 1.0).abs() < 0.02);
        assert!((spread(Law::Gamma { mean: 10.0, shape: 4.0 }) - 0.5).abs() < 0.01);
        assert!((spread(Law::LogNormal { mean: 10.0, cv: 0.8 }) - 0.8).abs() < 0.03);
        assert!((spread(Law::Uniform { from: 0.0, to: 10.0 }) - 3_f64.sqrt().recip()).abs() < 0.01);
    }

    #[test]
    fn what_is_no_law_is_said_so() {
        assert!(Law::Exponential(0.0).ready().is_some_and(|draw| draw.draw(&mut entropy::stream(1, 1)) == Span::ZERO));
        assert!(Law::Exponential(-1.0).ready().is_none());
        assert!(Law::Uniform { from: 2.0, to: 1.0 }.ready().is_none());
        assert!(Law::Gamma { mean: 1.0, shape: 0.0 }.ready().is_none());
    }
}
