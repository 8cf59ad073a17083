use proptest::prelude::*;

use super::*;
use crate::config::PoolConfig;

const REFUSED: Verdict = Verdict::Failed { reason: Reason::Refusals, counted: true };
const FAULT: Verdict = Verdict::Failed { reason: Reason::Faults, counted: false };

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

fn ids() -> Vec<CredentialId> {
    ["aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"].map(|id| CredentialId::parse(id).unwrap()).to_vec()
}

/// A breaker and what is around it. Credentials are numbers; each trial is of a grant of its own.
struct Bench {
    breaker: Breaker,
    rule: Rule,
    ids: Vec<CredentialId>,
    able: Vec<usize>,
    second: u64,
    last_grant: u64,
}

impl Bench {
    fn new(able: &[usize]) -> Self {
        let config = PoolConfig { jitter: 0.0, ..PoolConfig::default() };
        Self {
            breaker: Breaker::default(),
            rule: Rule { failures: 3, ..config.chat_rule() },
            ids: ids(),
            able: able.to_vec(),
            second: 0,
            last_grant: 0,
        }
    }

    fn trial(&mut self, credential: usize, verdict: Verdict) -> Vec<(usize, u32)> {
        self.last_grant += 1;
        self.trial_of(credential, self.last_grant, verdict)
    }

    fn trial_of(&mut self, credential: usize, grant: u64, verdict: Verdict) -> Vec<(usize, u32)> {
        let trial = Trial {
            credential: &self.ids[credential],
            grant,
            verdict,
            last_grant: self.last_grant,
            now: at(self.second),
        };
        let able: Vec<_> = self.able.iter().map(|index| &self.ids[*index]).collect();
        let excuses = self.breaker.observe(&trial, &self.rule, || able, |delay| delay);
        let place = |id: &CredentialId| self.ids.iter().position(|known| known == id).unwrap();
        excuses.into_iter().map(|excuse| (place(&excuse.credential), excuse.counted)).collect()
    }

    /// When it may be tried, if it is not closed.
    fn open_until(&self) -> Option<u64> {
        let open = self.breaker.open()?;
        Some(open.until.duration_since(at(0)).unwrap().as_secs())
    }

    fn held(&self) -> Vec<usize> {
        (0..self.ids.len()).filter(|index| self.breaker.holds(&self.ids[*index])).collect()
    }
}

#[test]
fn it_opens_when_all_that_could_serve_failed_alike_and_not_before() {
    let works = Verdict::Works;
    let answers = Verdict::Answers;
    for (name, able, trials, opens) in [
        ("two of two", vec![0, 1], vec![(0, REFUSED), (1, REFUSED), (0, REFUSED)], true),
        ("too few times", vec![0, 1], vec![(0, REFUSED), (1, REFUSED)], false),
        ("one walk of three", vec![0, 1, 2], vec![(0, REFUSED), (1, REFUSED), (2, REFUSED)], true),
        ("one was not tried", vec![0, 1, 2], vec![(0, REFUSED), (1, REFUSED), (0, REFUSED)], false),
        ("the others cannot serve", vec![1], vec![(0, REFUSED), (0, REFUSED), (1, REFUSED)], true),
        ("one alone is refused", vec![0], vec![(0, REFUSED); 9], false),
        ("one alone fails", vec![0], vec![(0, FAULT); 9], false),
        ("two fail", vec![0, 1], vec![(0, FAULT), (0, FAULT), (1, FAULT)], true),
        ("one success", vec![0, 1], vec![(0, REFUSED), (1, works), (0, REFUSED), (0, REFUSED)], false),
        ("a limit is an answer", vec![0, 1], vec![(0, FAULT), (1, FAULT), (0, answers), (0, FAULT)], false),
        (
            "a limit excuses no refusal",
            vec![0, 1],
            vec![(0, REFUSED), (0, answers), (1, REFUSED), (1, REFUSED)],
            true,
        ),
        ("not alike", vec![0, 1], vec![(0, REFUSED), (0, REFUSED), (1, FAULT), (1, FAULT)], false),
        ("nothing is told", vec![0, 1], vec![(0, FAULT), (0, Verdict::Silent), (1, FAULT), (0, FAULT)], true),
    ] {
        let mut bench = Bench::new(&able);

        for (credential, verdict) in trials {
            bench.trial(credential, verdict);
        }

        assert_eq!(bench.open_until().is_some(), opens, "{name}");
    }
}

#[test]
fn what_was_counted_is_taken_back_once() {
    let mut bench = Bench::new(&[0, 1]);
    assert_eq!(bench.trial(0, REFUSED), []);
    assert_eq!(bench.trial(0, REFUSED), []);

    assert_eq!(bench.trial(1, REFUSED), [(0, 2), (1, 1)]);

    assert_eq!(bench.held(), [0, 1]);
    let probe = bench.last_grant + 1;
    bench.breaker.probe(probe);
    bench.second = 5;
    assert_eq!(bench.trial(1, REFUSED), [(0, 0), (1, 1)], "what the probe cost is taken back too");
}

#[test]
fn it_is_tried_at_growing_delays_until_something_works() {
    let mut bench = Bench::new(&[0, 1]);
    for credential in [0, 1, 0] {
        bench.trial(credential, FAULT);
    }
    let mut delays = Vec::new();
    for _ in 0..7 {
        let until = bench.open_until().unwrap();
        delays.push(until - bench.second);
        bench.second = until;
        let grant = bench.last_grant + 1;
        bench.breaker.probe(grant);
        assert_eq!(bench.breaker.open().unwrap().probe, Some(grant));
        bench.trial(0, FAULT);
        assert_eq!(bench.breaker.open().unwrap().probe, None);
    }
    assert_eq!(delays, [5, 10, 20, 40, 80, 120, 120]);

    bench.second = bench.open_until().unwrap();
    bench.trial(1, Verdict::Silent);
    assert!(bench.open_until().is_some(), "that told nothing");
    bench.trial(1, Verdict::Works);

    assert_eq!((bench.open_until(), bench.held()), (None, vec![]));
    for credential in [0, 1, 0] {
        bench.trial(credential, FAULT);
    }
    assert_eq!(bench.open_until(), Some(bench.second + 5), "the delay begins anew");
}

#[test]
fn leases_that_were_out_at_the_same_time_fail_once() {
    let mut bench = Bench::new(&[0, 1]);
    bench.last_grant = 16;

    for grant in 1..=16 {
        bench.trial_of(usize::try_from(grant % 2).unwrap(), grant, FAULT);
    }

    assert_eq!(bench.open_until(), None, "one restart breaks all streams");
    bench.trial(0, FAULT);
    bench.trial(0, FAULT);
    assert_eq!(bench.open_until(), Some(5), "three in a row are more than that");
}

#[test]
fn what_was_granted_before_it_opened_neither_closes_it_nor_holds_it_longer() {
    let mut bench = Bench::new(&[0, 1]);
    bench.last_grant = 10;
    for credential in [0, 1, 0] {
        bench.trial(credential, REFUSED);
    }
    bench.second = 9;

    bench.trial_of(1, 4, Verdict::Works);
    assert_eq!(bench.trial_of(1, 5, REFUSED), [(0, 0), (1, 1)], "taken back, as it is late");

    assert_eq!(bench.open_until(), Some(5));
}

#[test]
fn one_that_comes_along_meanwhile_is_tried() {
    let mut bench = Bench::new(&[0, 1]);
    for credential in [0, 1, 0] {
        bench.trial(credential, REFUSED);
    }
    assert_eq!(bench.held(), [0, 1]);

    bench.able.push(2);
    assert!(!bench.breaker.holds(&bench.ids[2]));
    bench.trial(2, REFUSED);
    assert_eq!((bench.held(), bench.open_until()), (vec![0, 1, 2], Some(5)));

    bench.breaker.forget(&bench.ids[1].clone());
    assert_eq!(bench.held(), [0, 2], "an operator vouches for it");
    bench.trial(1, Verdict::Works);
    assert_eq!((bench.held(), bench.open_until()), (vec![], None));
}

#[test]
fn old_failures_do_not_count() {
    let mut bench = Bench::new(&[0, 1]);
    bench.trial(0, FAULT);
    bench.trial(0, FAULT);
    bench.second = 120;

    bench.trial(1, FAULT);
    bench.trial(1, FAULT);
    bench.trial(1, FAULT);
    assert_eq!(bench.open_until(), None);
    bench.trial(0, FAULT);

    assert_eq!(bench.open_until(), Some(125));
}

#[test]
fn a_few_exchanges_are_enough() {
    let config = PoolConfig { jitter: 0.0, ..PoolConfig::default() };
    for (able, opens) in [(1, false), (2, true), (4, true)] {
        let mut bench = Bench::new(&(0..able).collect::<Vec<_>>());
        bench.rule = config.exchange_rule();
        for _ in 0..9 {
            bench.trial(0, FAULT);
        }
        assert_eq!(bench.open_until(), None, "one alone has its own pause");
        for credential in 1..able.min(3) {
            bench.trial(credential, FAULT);
        }
        assert_eq!(bench.open_until().is_some(), opens, "{able}");
    }
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        4 => Just(FAULT),
        4 => Just(REFUSED),
        1 => Just(Verdict::Works),
        1 => Just(Verdict::Answers),
        1 => Just(Verdict::Silent),
    ]
}

proptest! {
    #[test]
    fn what_is_counted_is_counted_or_taken_back_and_one_that_works_is_never_held(
        trials in prop::collection::vec((0..4usize, verdict(), 0..40u64, 0..3u64), 1..80),
    ) {
        let mut bench = Bench::new(&[0, 1, 2, 3]);
        let mut counted = [0u32; 4];
        let mut taken_back = [0u32; 4];
        for (credential, verdict, pause, age) in trials {
            bench.second += pause;
            bench.last_grant += 1;
            let before = bench.breaker.open();
            let grant = bench.last_grant.saturating_sub(age).max(1);
            let excuses = bench.trial_of(credential, grant, verdict);
            if verdict == REFUSED {
                counted[credential] += 1;
            }
            for (index, count) in excuses {
                taken_back[index] += count;
            }
            let after = bench.breaker.open();
            for index in 0..4 {
                prop_assert!(taken_back[index] <= counted[index], "nothing is taken back twice");
            }
            match (before, after) {
                (None, Some(_)) => prop_assert!(verdict == FAULT || verdict == REFUSED),
                (Some(_), None) => prop_assert!(verdict == Verdict::Works || verdict == Verdict::Answers),
                (Some(before), Some(after)) => {
                    prop_assert!(after.openings == before.openings || at(bench.second) >= before.until);
                }
                (None, None) => {}
            }
            if let Some(open) = after {
                prop_assert!(open.until <= at(bench.second) + bench.rule.delay.max);
                prop_assert!(!bench.held().is_empty());
            } else {
                prop_assert_eq!(bench.held(), Vec::<usize>::new());
            }
            if verdict == Verdict::Works && grant == bench.last_grant {
                prop_assert_eq!(after, None);
            }
        }
    }
}
