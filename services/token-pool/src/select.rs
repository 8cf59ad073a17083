//! Which credential comes next: `(candidates, exclusions) -> choice`. Pure: readiness was judged before.
//!
//! Tiers are strict: as long as one of a better tier has a slot, none of a lesser tier is taken. Inside a tier the
//! one that was granted longest ago comes next, told by the number of the grant, so that credentials which come
//! and go do not skew the order. One that the caller prefers comes before all of them, if it can be leased now.

use std::time::SystemTime;

use crate::credential::Tier;
use crate::state::{Phase, Readiness};

/// A credential as the choice sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Its tier.
    pub tier: Tier,
    /// Whether it can be leased.
    pub readiness: Readiness,
    /// Where it stands, to tell why there is none.
    pub phase: Phase,
    /// Leases of it that are out.
    pub in_flight: u32,
    /// How many may be.
    pub max_in_flight: u32,
    /// Whether one of them was granted while it was half-open.
    pub probing: bool,
    /// The number of its last grant; 0 if it never was granted.
    pub last_grant: u64,
    /// Whether the caller does not want it.
    pub excluded: bool,
    /// Whether the caller wants it before all others.
    pub preferred: bool,
}

/// Why no credential can be leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The pool is empty.
    NothingConfigured,
    /// Those that could serve are all in use.
    AllBusy,
    /// The caller excluded those that could serve.
    AllExcluded {
        /// When another one comes back on its own, if any does.
        recovery: Option<SystemTime>,
    },
    /// None can serve.
    AllDown {
        /// When the first one comes back on its own, if any does.
        recovery: Option<SystemTime>,
        /// Whether each of those that will come back has used up its quota.
        quota: bool,
    },
}

/// Chooses among candidates; the answer is an index into them.
///
/// # Errors
/// Why none can be had.
pub fn select(candidates: &[Candidate]) -> Result<usize, Unavailable> {
    let free = candidates.iter().enumerate().filter(|(_, c)| !c.excluded && c.has_slot());
    let best = free.min_by_key(|(index, c)| (!c.preferred, c.tier, c.last_grant, *index));
    match best {
        Some((index, _)) => Ok(index),
        None => Err(why_none(candidates)),
    }
}

impl Candidate {
    fn is_up(&self) -> bool {
        !matches!(self.readiness, Readiness::Down { .. })
    }

    fn has_slot(&self) -> bool {
        match self.readiness {
            Readiness::Ready => self.in_flight < self.max_in_flight,
            Readiness::HalfOpen => !self.probing && self.in_flight < self.max_in_flight,
            Readiness::Down { .. } => false,
        }
    }

    fn recovery(&self) -> Option<SystemTime> {
        match self.readiness {
            Readiness::Down { recovery } => recovery,
            Readiness::Ready | Readiness::HalfOpen => None,
        }
    }
}

fn why_none(candidates: &[Candidate]) -> Unavailable {
    if candidates.is_empty() {
        return Unavailable::NothingConfigured;
    }
    if candidates.iter().any(|c| !c.excluded && c.is_up()) {
        return Unavailable::AllBusy;
    }
    if candidates.iter().any(Candidate::is_up) {
        let others = candidates.iter().filter(|c| !c.excluded);
        return Unavailable::AllExcluded { recovery: others.filter_map(Candidate::recovery).min() };
    }
    let mut returning = candidates.iter().filter(|c| c.recovery().is_some()).peekable();
    let recovery = candidates.iter().filter_map(Candidate::recovery).min();
    let quota = returning.peek().is_some() && returning.all(|c| matches!(c.phase, Phase::Exhausted { .. }));
    Unavailable::AllDown { recovery, quota }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const READY: Candidate = Candidate {
        tier: Tier::Personal,
        readiness: Readiness::Ready,
        phase: Phase::Active,
        in_flight: 0,
        max_in_flight: 2,
        probing: false,
        last_grant: 0,
        excluded: false,
        preferred: false,
    };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn of(tier: Tier) -> Candidate {
        Candidate { tier, ..READY }
    }

    fn down(recovery: Option<u64>) -> Candidate {
        let phase = recovery.map_or(Phase::Blocked, |s| Phase::CoolingDown { until: at(s) });
        Candidate { readiness: Readiness::Down { recovery: recovery.map(at) }, phase, ..READY }
    }

    fn exhausted(recovery: u64) -> Candidate {
        Candidate { phase: Phase::Exhausted { until: at(recovery) }, ..down(Some(recovery)) }
    }

    #[test]
    fn the_choice_is_that_of_the_table() {
        let busy = |tier| Candidate { in_flight: 2, ..of(tier) };
        let half_open = Candidate { readiness: Readiness::HalfOpen, ..READY };
        let preferred = Candidate { preferred: true, last_grant: 9, ..of(Tier::Shared) };
        for (name, candidates, expected) in [
            ("personal first", vec![of(Tier::Anonymous), of(Tier::Shared), of(Tier::Personal)], 2),
            ("shared while personal is down", vec![down(Some(5)), of(Tier::Shared), of(Tier::Anonymous)], 1),
            ("shared while personal is busy", vec![busy(Tier::Personal), of(Tier::Shared)], 1),
            ("anonymous last", vec![down(None), busy(Tier::Shared), of(Tier::Anonymous)], 2),
            (
                "granted longest ago",
                vec![Candidate { last_grant: 7, ..READY }, Candidate { last_grant: 3, ..READY }],
                1,
            ),
            ("never granted, in order", vec![READY, READY], 0),
            ("not the excluded one", vec![Candidate { excluded: true, ..READY }, of(Tier::Anonymous)], 1),
            ("the preferred one", vec![of(Tier::Personal), preferred, of(Tier::Anonymous)], 1),
            ("the usual one", vec![of(Tier::Personal), Candidate { in_flight: 2, ..preferred }], 0),
            ("not the preferred one if excluded", vec![READY, Candidate { excluded: true, ..preferred }], 0),
            ("a probe", vec![half_open, of(Tier::Shared)], 0),
            ("one probe at a time", vec![Candidate { probing: true, ..half_open }, of(Tier::Shared)], 1),
            ("a probe beside old leases", vec![Candidate { in_flight: 1, ..half_open }, of(Tier::Shared)], 0),
        ] {
            assert_eq!(select(&candidates), Ok(expected), "{name}");
        }
    }

    #[test]
    fn the_reason_is_that_of_the_table() {
        use Unavailable::{AllBusy, AllDown, AllExcluded, NothingConfigured};
        let excluded = Candidate { excluded: true, ..READY };
        let busy = Candidate { in_flight: 2, ..READY };
        for (name, candidates, expected) in [
            ("empty", vec![], NothingConfigured),
            ("excluded", vec![excluded, excluded], AllExcluded { recovery: None }),
            ("excluded and down", vec![excluded, down(Some(9))], AllExcluded { recovery: Some(at(9)) }),
            ("busy", vec![busy, excluded, down(Some(1))], AllBusy),
            (
                "down",
                vec![down(Some(9)), down(None), down(Some(4))],
                AllDown { recovery: Some(at(4)), quota: false },
            ),
            ("down for good", vec![down(None)], AllDown { recovery: None, quota: false }),
            ("quota", vec![exhausted(9), exhausted(7)], AllDown { recovery: Some(at(7)), quota: true }),
            (
                "quota and blocked",
                vec![exhausted(9), down(None)],
                AllDown { recovery: Some(at(9)), quota: true },
            ),
            (
                "quota and limit",
                vec![exhausted(9), down(Some(2))],
                AllDown { recovery: Some(at(2)), quota: false },
            ),
            (
                "quota of one that was tried",
                vec![Candidate { excluded: true, ..exhausted(9) }],
                AllDown { recovery: Some(at(9)), quota: true },
            ),
        ] {
            assert_eq!(select(&candidates), Err(expected), "{name}");
        }
    }

    fn candidate() -> impl Strategy<Value = Candidate> {
        let readiness = prop_oneof![
            4 => Just(Readiness::Ready),
            1 => Just(Readiness::HalfOpen),
            2 => prop::option::of(1..100u64).prop_map(|s| Readiness::Down { recovery: s.map(at) }),
        ];
        (0..3usize, readiness, 0..4u32, any::<bool>(), 0..9u64, prop::bool::weighted(0.2)).prop_map(
            |(tier, readiness, in_flight, probing, last_grant, excluded)| Candidate {
                tier: Tier::ALL[tier],
                readiness,
                in_flight,
                probing,
                last_grant,
                excluded,
                ..READY
            },
        )
    }

    proptest! {
        #[test]
        fn no_ready_credential_is_passed_over(candidates in prop::collection::vec(candidate(), 0..12)) {
            let free = |c: &Candidate| !c.excluded && match c.readiness {
                Readiness::Ready => c.in_flight < c.max_in_flight,
                Readiness::HalfOpen => !c.probing && c.in_flight < c.max_in_flight,
                Readiness::Down { .. } => false,
            };
            match select(&candidates) {
                Ok(chosen) => {
                    let chosen = candidates[chosen];
                    prop_assert!(free(&chosen));
                    for other in candidates.iter().filter(|c| free(c)) {
                        prop_assert!(chosen.tier <= other.tier, "tiers are strict");
                        prop_assert!(chosen.tier < other.tier || chosen.last_grant <= other.last_grant);
                    }
                }
                Err(_) => prop_assert!(!candidates.iter().any(free)),
            }
        }

        #[test]
        fn grants_inside_a_tier_differ_by_at_most_one(count in 1..8usize, rounds in 1..60u64) {
            let mut candidates = vec![Candidate { max_in_flight: u32::MAX, ..READY }; count];
            let mut grants = vec![0u64; count];
            for grant in 1..=rounds {
                let chosen = select(&candidates).unwrap();
                candidates[chosen].last_grant = grant;
                candidates[chosen].in_flight += 1;
                grants[chosen] += 1;
            }
            prop_assert!(grants.iter().max().unwrap() - grants.iter().min().unwrap() <= 1, "{:?}", grants);
        }
    }
}
