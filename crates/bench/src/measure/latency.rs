//! Latency histograms, microseconds, three digits.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Two minutes: what takes longer counts as that.
const LATENCY_US_MAX: u64 = 120_000_000;

/// Latencies of one kind.
pub(crate) struct Latencies(Histogram<u64>);

/// A histogram in numbers, milliseconds.
#[derive(Clone, Default, Debug, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) mean_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
    /// (quantile, milliseconds) pairs for a curve.
    pub(crate) curve: Vec<(f64, f64)>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
        Self(histogram.expect("constant bounds are valid"))
    }

    pub(crate) fn record_ns(&mut self, latency_ns: u64) {
        self.0.saturating_record((latency_ns / 1000).max(1));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        // Bounds are the same constants everywhere, which is all that addition asks for.
        let _same_bounds = self.0.add(&other.0);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        let curve = if self.0.is_empty() {
            Vec::new()
        } else {
            self.0
                .iter_quantiles(5)
                .map(|step| (step.quantile(), step.value_iterated_to() as f64 / 1000.0))
                .collect()
        };
        Percentiles {
            count: self.0.len(),
            mean_ms: self.0.mean() / 1000.0,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: self.0.max() as f64 / 1000.0,
            curve,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut one = Latencies::new();
        let mut other = Latencies::new();
        (1..=50).for_each(|ms| one.record_ns(ms * 1_000_000));
        (51..=100).for_each(|ms| other.record_ns(ms * 1_000_000));
        one.add(&other);
        let percentiles = one.percentiles();
        assert_eq!(percentiles.count, 100);
        assert!((percentiles.p50_ms - 50.0).abs() < 0.1 && (percentiles.p99_ms - 99.0).abs() < 0.2);
        assert_eq!(Latencies::new().percentiles().count, 0);
    }
}
