//! The gaps between the pieces of one answer, sorted as they come: a few numbers of the turn's own, no lock, no memory
//! taken, nothing shared. The histogram gets them all together when the turn is over.

use std::time::Duration;

use crate::semconv::PER_CHUNK_SECONDS;

const BUCKETS: usize = PER_CHUNK_SECONDS.len() + 1;

/// Gaps, counted by the buckets of their histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gaps {
    counts: [u32; BUCKETS],
    sums: [f64; BUCKETS],
}

impl Gaps {
    /// One more.
    pub fn add(&mut self, gap: Duration) {
        let seconds = gap.as_secs_f64();
        let bucket = PER_CHUNK_SECONDS.partition_point(|bound| *bound < seconds);
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.sums[bucket] += seconds;
    }

    /// Each gap once, as the mean of those in its bucket: what a histogram keeps of them is the same.
    pub fn each(&self) -> impl Iterator<Item = f64> {
        let buckets = self.counts.into_iter().zip(self.sums).enumerate();
        buckets.filter(|(_, (count, _))| *count > 0).flat_map(|(bucket, (count, sum))| {
            let above = bucket.checked_sub(1).map_or(0.0, |before| PER_CHUNK_SECONDS[before].next_up());
            let most = PER_CHUNK_SECONDS.get(bucket).copied().unwrap_or(f64::INFINITY);
            // A mean may be rounded out of the bucket whose every value is its bound.
            let mean = (sum / f64::from(count)).clamp(above, most);
            std::iter::repeat_n(mean, usize::try_from(count).unwrap_or(usize::MAX))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn buckets(values: impl Iterator<Item = f64>) -> ([usize; BUCKETS], f64) {
        let (mut counts, mut sum) = ([0; BUCKETS], 0.0);
        for value in values {
            counts[PER_CHUNK_SECONDS.partition_point(|bound| *bound < value)] += 1;
            sum += value;
        }
        (counts, sum)
    }

    proptest! {
        #[test]
        fn a_histogram_gets_the_same_as_of_each_by_itself(
            nanos in vec(prop_oneof![0..4_000_000_000_u64, Just(10_000_000), Just(25_000_000), Just(0)], 0..300),
        ) {
            let mut gaps = Gaps::default();
            nanos.iter().for_each(|nanos| gaps.add(Duration::from_nanos(*nanos)));

            let (counts, sum) = buckets(gaps.each());

            let singly = nanos.iter().map(|nanos| Duration::from_nanos(*nanos).as_secs_f64());
            let (expected, total) = buckets(singly);
            prop_assert_eq!(counts, expected);
            prop_assert!((sum - total).abs() < 1e-6);
        }
    }
}
