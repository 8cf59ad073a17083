//! Ids that look random and follow from a seed.

use uuid::Builder;

/// A source of ids. The same seed gives the same ids.
#[derive(Debug, Clone)]
pub(crate) struct Ids(u64);

impl Ids {
    /// The ids of the request `number` of a simulator with this seed.
    pub(crate) const fn new(seed: u64, number: u64) -> Self {
        Self(seed ^ mix(number))
    }

    /// The next uuid.
    pub(crate) fn uuid(&mut self) -> String {
        Builder::from_random_bytes(self.bytes()).into_uuid().to_string()
    }

    /// The next id of a tool call.
    pub(crate) fn call(&mut self) -> String {
        format!("call_{}", Builder::from_random_bytes(self.bytes()).into_uuid().simple())
    }

    fn bytes(&mut self) -> [u8; 16] {
        let (high, low) = (u128::from(self.number()), u128::from(self.number()));
        (high << 64 | low).to_be_bytes()
    }

    /// SplitMix64.
    pub(crate) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

const fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_repeat_with_the_seed_and_not_without() {
        let ids = |seed, number| {
            let mut ids = Ids::new(seed, number);
            [ids.uuid(), ids.uuid(), ids.call()]
        };

        assert_eq!(ids(1, 2), ids(1, 2));
        let all: HashSet<_> =
            (0..10).flat_map(|seed| (0..10).flat_map(move |number| ids(seed, number))).collect();
        assert_eq!(all.len(), 300);
    }
}
