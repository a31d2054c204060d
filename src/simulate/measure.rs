//! Estimates with an interval: batch means.
//!
//! Neighbouring waits in a queue resemble each other, so the spread of single ones says little about a mean. The measured
//! tickets are cut, in order of arrival, into [`BATCHES`] batches that are long beside the time in which a queue forgets; the
//! batches' own values are nearly independent, and Student's t on their spread gives the interval (Law and Kelton, Simulation
//! Modeling and Analysis, 9.5.3). Ratios with a random denominator (a class's tickets in a batch) use the ratio estimator's
//! residuals (Cochran, Sampling Techniques, 2.11).

use serde::Serialize;

/// Batches that a run is cut into.
pub const BATCHES: usize = 30;
/// Student's t for 99 % both ways and [`BATCHES`] - 1 degrees of freedom.
const T_99: f64 = 2.756_386;

/// A value, and how far the true one may lie from it (99 %).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    pub value: f64,
    /// Infinite where there is too little to tell.
    #[serde(serialize_with = "or_null")]
    pub within: f64,
}

impl Estimate {
    pub fn covers(&self, exact: f64) -> bool {
        (self.value - exact).abs() <= self.within
    }

    /// The same in another unit.
    pub fn times(self, factor: f64) -> Estimate {
        Estimate { value: self.value * factor, within: self.within * factor }
    }
}

fn or_null<S: serde::Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { to.serialize_f64(*value) } else { to.serialize_none() }
}

/// Sum over count, batch by batch: a mean, a share, a rate. `None`: nothing was counted.
pub fn ratio(batches: &[(f64, f64)]) -> Option<Estimate> {
    let count = batches.len() as f64;
    let (sum, of) = batches.iter().fold((0.0, 0.0), |(sum, of), batch| (sum + batch.0, of + batch.1));
    if of <= 0.0 {
        return None;
    }
    let value = sum / of;
    let residuals: f64 = batches.iter().map(|(sum, of)| (sum - value * of).powi(2)).sum();
    Some(Estimate { value, within: half(residuals, count) / (of / count) })
}

/// A value that each batch has for itself, around the value of all of them together.
pub fn spread(all: f64, batches: &[f64]) -> Estimate {
    let count = batches.len() as f64;
    let mean = batches.iter().sum::<f64>() / count;
    let squares = batches.iter().map(|value| (value - mean).powi(2)).sum();
    Estimate { value: all, within: half(squares, count) }
}

fn half(squares: f64, count: f64) -> f64 {
    if count < BATCHES as f64 { f64::INFINITY } else { T_99 * (squares / (count - 1.0) / count).sqrt() }
}

/// The smallest value that at least this share does not exceed (nearest rank). `sorted` is in order; 0 for none.
pub fn percentile(sorted: &[i64], share: f64) -> i64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::entropy;

    #[test]
    fn a_percentile_is_a_value_that_occurs() {
        let sorted = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        assert_eq!(percentile(&sorted, 0.5), 5);
        assert_eq!(percentile(&sorted, 0.9), 9);
        assert_eq!(percentile(&sorted, 0.99), 10);
        assert_eq!(percentile(&[7], 0.5), 7);
        assert_eq!(percentile(&[], 0.5), 0);
    }

    #[test]
    fn about_99_of_100_intervals_hold_the_true_mean() {
        let mut rng = entropy::stream(1, 1);
        let held = (0..2_000).filter(|_| {
            // Of a batch with a random number of fair coins.
            let batch = |_| {
                let tosses = rng.random_range(50..150_u32);
                let heads = (0..tosses).filter(|_| rng.random::<bool>()).count();
                (heads as f64, f64::from(tosses))
            };
            let batches: Vec<(f64, f64)> = (0..BATCHES).map(batch).collect();
            ratio(&batches).is_some_and(|estimate| estimate.covers(0.5))
        });
        let held = held.count();
        assert!((1_965..=1_995).contains(&held), "{held} of 2,000");
    }

    #[test]
    fn without_enough_batches_nothing_is_claimed() {
        assert!(ratio(&[(1.0, 2.0)]).is_some_and(|estimate| estimate.within.is_infinite()));
        assert_eq!(ratio(&[(0.0, 0.0); BATCHES]), None);
    }
}
