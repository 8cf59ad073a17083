//! Which credential comes next: `(candidates, exclusions) -> choice`. Pure: readiness was judged before.
//!
//! Tiers are strict: as long as one of a better tier has a slot, none of a lesser tier is taken. Inside a tier the
//! one that was granted longest ago comes next, told by the number of the grant, so that credentials which come
//! and go do not skew the order. A call with an affinity key takes the one its key belongs to instead; it counts as a
//! grant, so calls without a key make up for it. One to which the upstream gave no answer a few times gives way to all
//! others for a moment. One that the caller prefers comes before all of them, if it can be
//! leased now.

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
    /// The endpoint on account of which it cannot be leased freely.
    pub held: Option<Endpoint>,
    /// Leases of it that are out.
    pub in_flight: u32,
    /// How many may be.
    pub max_in_flight: u32,
    /// Whether someone tries it, or the endpoint, already.
    pub probing: bool,
    /// The number of its last grant; 0 if it never was granted.
    pub last_grant: u64,
    /// Whether it is of the tiers and kinds that may serve.
    pub fits: bool,
    /// Whether the caller does not want it.
    pub excluded: bool,
    /// Whether the caller wants it before all others.
    pub preferred: bool,
    /// Whether others come before it, whatever their tier.
    pub gives_way: bool,
    /// How much the caller's key belongs to it; the same for all if there is no key.
    pub affinity: u64,
}

/// What the pool depends on and does not own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Where turns run.
    Chat,
    /// Where refresh tokens are exchanged.
    Token,
}

/// Why no credential can be leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The pool is empty.
    NothingConfigured,
    /// None is of the tiers and kinds that may serve.
    NoneFits,
    /// Those that could serve are all in use.
    AllBusy,
    /// The caller excluded those that could serve.
    AllExcluded {
        /// When another one comes back on its own, if any does.
        recovery: Option<SystemTime>,
    },
    /// Those that could serve wait for an endpoint that is at fault.
    EndpointDown {
        /// Which one.
        endpoint: Endpoint,
        /// When the first one may be tried.
        recovery: Option<SystemTime>,
    },
    /// None can serve.
    AllDown {
        /// When the first one comes back on its own, if any does.
        recovery: Option<SystemTime>,
        /// Whether the quota is why: each of those that will come back has used it up, or the caller would rather
        /// fail than go on to a lesser tier.
        quota: bool,
    },
}

/// What to do about a tier without quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnQuota {
    /// Go on to the next one.
    #[default]
    Next,
    /// Fail: a lesser tier does not stand in for one that has used up its quota.
    Fail,
}

/// Chooses among candidates; the answer is the place of the chosen one.
///
/// # Errors
/// Why none can be had.
pub fn select(
    candidates: impl Iterator<Item = Candidate> + Clone,
    on_quota: OnQuota,
) -> Result<usize, Unavailable> {
    let last_tier = match on_quota {
        OnQuota::Next => None,
        OnQuota::Fail => candidates.clone().filter(Candidate::lacks_quota).map(|c| c.tier).min(),
    };
    let may_serve =
        move |c: &Candidate| c.fits && (c.preferred || last_tier.is_none_or(|last| c.tier <= last));
    let free = candidates.clone().enumerate().filter(|(_, c)| may_serve(c) && !c.excluded && c.has_slot());
    match free.min_by_key(|(place, c)| {
        (!c.preferred, c.gives_way, c.tier, u64::MAX - c.affinity, c.last_grant, *place)
    }) {
        Some((place, _)) => Ok(place),
        None if candidates.clone().next().is_none() => Err(Unavailable::NothingConfigured),
        None => Err(match why_none(candidates.filter(may_serve)) {
            Unavailable::AllDown { recovery, .. } | Unavailable::AllExcluded { recovery }
                if last_tier.is_some() =>
            {
                Unavailable::AllDown { recovery, quota: true }
            }
            why => why,
        }),
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

    fn lacks_quota(&self) -> bool {
        self.fits && !self.is_up() && matches!(self.phase, Phase::Exhausted { .. })
    }

    fn recovery(&self) -> Option<SystemTime> {
        match self.readiness {
            Readiness::Down { recovery } => recovery,
            Readiness::Ready | Readiness::HalfOpen => None,
        }
    }
}

fn why_none(candidates: impl Iterator<Item = Candidate> + Clone) -> Unavailable {
    let all = || candidates.clone();
    if all().next().is_none() {
        return Unavailable::NoneFits;
    }
    if all().any(|c| !c.excluded && c.is_up()) {
        return Unavailable::AllBusy;
    }
    if all().any(|c| c.is_up()) {
        let recovery = all().filter(|c| !c.excluded).filter_map(|c| c.recovery()).min();
        return Unavailable::AllExcluded { recovery };
    }
    let recovery = all().filter_map(|c| c.recovery()).min();
    if let Some(endpoint) = all().find_map(|c| c.held) {
        return Unavailable::EndpointDown { endpoint, recovery };
    }
    let mut returning = all().filter(|c| c.recovery().is_some());
    let quota = recovery.is_some() && returning.all(|c| matches!(c.phase, Phase::Exhausted { .. }));
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
        fits: true,
        excluded: false,
        preferred: false,
        gives_way: false,
        affinity: 0,
        held: None,
    };

    fn choose(candidates: &[Candidate]) -> Result<usize, Unavailable> {
        select(candidates.iter().copied(), OnQuota::Next)
    }

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
            ("not of another kind", vec![Candidate { fits: false, ..READY }, of(Tier::Anonymous)], 1),
            ("not one that gives way", vec![Candidate { gives_way: true, ..READY }, of(Tier::Shared)], 1),
            (
                "one that gives way if there is no other",
                vec![Candidate { gives_way: true, ..READY }, busy(Tier::Shared)],
                0,
            ),
            (
                "whose key it is",
                vec![Candidate { affinity: 7, ..READY }, Candidate { affinity: 8, last_grant: 9, ..READY }],
                1,
            ),
            (
                "the tier before the key",
                vec![Candidate { affinity: 7, ..READY }, Candidate { affinity: 8, ..of(Tier::Shared) }],
                0,
            ),
            ("a probe beside old leases", vec![Candidate { in_flight: 1, ..half_open }, of(Tier::Shared)], 0),
        ] {
            assert_eq!(choose(&candidates), Ok(expected), "{name}");
        }
    }

    #[test]
    fn the_reason_is_that_of_the_table() {
        use Unavailable::{AllBusy, AllDown, AllExcluded, EndpointDown, NoneFits, NothingConfigured};
        let held = |seconds| Candidate {
            held: Some(Endpoint::Chat),
            readiness: Readiness::Down { recovery: Some(at(seconds)) },
            ..READY
        };
        let excluded_held = Candidate { excluded: true, ..held(9) };
        let excluded = Candidate { excluded: true, ..READY };
        let busy = Candidate { in_flight: 2, ..READY };
        for (name, candidates, expected) in [
            ("empty", vec![], NothingConfigured),
            ("of another kind", vec![Candidate { fits: false, ..READY }], NoneFits),
            (
                "held",
                vec![held(5), excluded_held],
                EndpointDown { endpoint: Endpoint::Chat, recovery: Some(at(5)) },
            ),
            ("held, but one is busy", vec![held(5), busy], AllBusy),
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
            assert_eq!(choose(&candidates), Err(expected), "{name}");
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
            match choose(&candidates) {
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
                let chosen = choose(&candidates).unwrap();
                candidates[chosen].last_grant = grant;
                candidates[chosen].in_flight += 1;
                grants[chosen] += 1;
            }
            prop_assert!(grants.iter().max().unwrap() - grants.iter().min().unwrap() <= 1, "{:?}", grants);
        }
    }
}
