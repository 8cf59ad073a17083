use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn config() -> PoolConfig {
    PoolConfig { jitter: 0.0, ..PoolConfig::default() }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

/// Applies events at second 0; each report is of a new grant.
fn run(events: &[Event]) -> State {
    run_from(State::default(), 0, events)
}

fn run_from(state: State, second: u64, events: &[Event]) -> State {
    let config = config();
    events.iter().fold(state, |state, event| {
        let last_grant = match event {
            Event::Reported { grant, .. } => (*grant).max(state.settled),
            _ => state.settled,
        };
        state.after(*event, &Context { now: at(second), random: 0.5, last_grant, config: &config })
    })
}

fn reported(outcome: Outcome, grant: u64) -> Event {
    Event::Reported { outcome, retry_after: None, grant }
}

fn asked(outcome: Outcome, grant: u64, seconds: u64) -> Event {
    Event::Reported { outcome, retry_after: Some(Duration::from_secs(seconds)), grant }
}

#[test]
fn events_lead_to_the_phases_of_the_table() {
    use Event::{ExchangeFailed, ExchangeRefused, Exchanged, Recovered};
    use Outcome::{
        Abandoned, Blocked, QuotaExhausted, RateLimited, Rejected, RequestFault, Success, UpstreamFault,
    };
    let cooling = |seconds| Phase::CoolingDown { until: at(seconds) };
    let exhausted = |seconds| Phase::Exhausted { until: at(seconds) };
    let tripped = |seconds| Phase::Tripped { probe_at: at(seconds) };
    let no_token = ExchangeFailed { usable: false };
    for (name, events, expected) in [
        ("nothing happened", vec![], Phase::Active),
        ("success", vec![reported(Success, 1)], Phase::Active),
        (
            "not its fault",
            [UpstreamFault, RequestFault, Abandoned].map(|o| reported(o, 1)).to_vec(),
            Phase::Active,
        ),
        ("two failures", vec![reported(Rejected, 1), reported(Rejected, 2)], Phase::Active),
        ("three failures", vec![reported(Rejected, 1), ExchangeRefused, reported(Rejected, 3)], tripped(60)),
        (
            "a success between failures",
            vec![reported(Rejected, 1), reported(Rejected, 2), reported(Success, 3), reported(Rejected, 4)],
            Phase::Active,
        ),
        ("three refused exchanges", vec![ExchangeRefused; 3], tripped(60)),
        ("four refused exchanges", vec![ExchangeRefused; 4], tripped(120)),
        (
            "refused exchanges, then a token",
            [vec![ExchangeRefused; 3], vec![Exchanged]].concat(),
            Phase::Active,
        ),
        (
            "rejected turns are not excused by a token",
            vec![reported(Rejected, 1), reported(Rejected, 2), reported(Rejected, 3), Exchanged],
            tripped(60),
        ),
        ("an exchange failed, no token", vec![no_token], cooling(5)),
        ("exchanges failed, no token", vec![no_token, no_token, no_token], cooling(5)),
        ("an exchange failed, a token is there", vec![ExchangeFailed { usable: true }; 9], Phase::Active),
        ("blocked", vec![reported(Blocked, 1), reported(Success, 2)], Phase::Blocked),
        ("rate limit", vec![reported(RateLimited, 1)], cooling(30)),
        ("rate limit with a wait", vec![asked(RateLimited, 1, 7)], cooling(7)),
        ("rate limit with an absurd wait", vec![asked(RateLimited, 1, 999_999)], cooling(3600)),
        ("rate limit with no wait at all", vec![asked(RateLimited, 1, 0)], cooling(1)),
        ("quota", vec![reported(QuotaExhausted, 1)], exhausted(600)),
        ("quota with a reset", vec![asked(QuotaExhausted, 1, 86_400)], exhausted(86_400)),
        (
            "rate limit, then quota",
            vec![asked(RateLimited, 1, 1000), reported(QuotaExhausted, 1)],
            exhausted(1000),
        ),
        (
            "quota, then rate limit",
            vec![reported(QuotaExhausted, 2), reported(RateLimited, 1)],
            exhausted(600),
        ),
        (
            "switched off",
            vec![Event::SwitchedOff, reported(Success, 1), reported(Blocked, 2)],
            Phase::SwitchedOff,
        ),
        ("switched off and back", vec![Event::SwitchedOff, Recovered], Phase::Active),
        ("blocked and recovered", vec![reported(Blocked, 1), Recovered], Phase::Active),
        ("expired", vec![Event::Expired, reported(Success, 1), Exchanged], Phase::Expired),
    ] {
        assert_eq!(run(&events).phase, expected, "{name}");
    }
}

#[test]
fn leases_out_at_the_same_time_count_once() {
    let config = config();
    for (outcome, count) in [
        (Outcome::Rejected, (|s: &State| s.failures) as fn(&State) -> u32),
        (Outcome::RateLimited, |s| s.limits),
        (Outcome::QuotaExhausted, |s| s.exhaustions),
    ] {
        let context = Context { now: at(0), random: 0.0, last_grant: 8, config: &config };

        let after_one = State::default().after(reported(outcome, 1), &context);
        let after_all =
            (2..=8).fold(after_one.clone(), |state, grant| state.after(reported(outcome, grant), &context));

        assert_eq!(count(&after_all), 1, "{outcome:?}");
        assert_eq!(after_all.phase, after_one.phase, "{outcome:?}");
    }
}

#[test]
fn a_success_that_began_before_the_failures_clears_nothing() {
    let state = run(&[
        reported(Outcome::Rejected, 5),
        reported(Outcome::Rejected, 6),
        reported(Outcome::Rejected, 7),
    ]);

    let after = run_from(state.clone(), 1, &[reported(Outcome::Success, 4)]);

    assert_eq!(after, state);
}

#[test]
fn a_later_wait_of_the_same_limit_is_believed_a_shorter_one_is_not() {
    let state = run(&[
        asked(Outcome::RateLimited, 9, 60),
        asked(Outcome::RateLimited, 8, 90),
        asked(Outcome::RateLimited, 7, 5),
    ]);

    assert_eq!((state.phase, state.limits), (Phase::CoolingDown { until: at(90) }, 1));
}

#[test]
fn waits_without_an_answer_double_until_a_success() {
    let mut state = State::default();
    let mut now = 0;
    let mut waits = Vec::new();
    for grant in 1..=7 {
        state = run_from(state, now, &[reported(Outcome::RateLimited, grant)]);
        let Readiness::Down { recovery: Some(recovery) } = state.readiness(at(now)) else {
            panic!("{state:?}")
        };
        waits.push(until(recovery, at(now)).as_secs());
        now += waits.last().unwrap();
        assert_eq!(state.readiness(at(now)), Readiness::Ready);
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);

    let recovered = run_from(state, now, &[reported(Outcome::Success, 8), reported(Outcome::RateLimited, 9)]);

    assert_eq!(recovered.phase, Phase::CoolingDown { until: at(now + 30) });
}

#[test]
fn a_tripped_credential_is_probed_at_growing_delays_until_a_probe_succeeds() {
    let mut state = run(&[
        reported(Outcome::Rejected, 1),
        reported(Outcome::Rejected, 2),
        reported(Outcome::Rejected, 3),
    ]);
    let mut now = 0;
    for (grant, delay) in [(4, 60), (5, 120), (6, 240), (7, 480), (8, 960), (9, 1920), (10, 3600), (11, 3600)]
    {
        assert_eq!(state.readiness(at(now)), Readiness::Down { recovery: Some(at(now + delay)) });
        now += delay;
        assert_eq!(state.readiness(at(now)), Readiness::HalfOpen);
        let neutral = run_from(state.clone(), now, &[reported(Outcome::UpstreamFault, grant)]);
        assert_eq!(neutral.readiness(at(now)), Readiness::HalfOpen, "a probe that told nothing is repeated");
        state = run_from(state, now, &[reported(Outcome::Rejected, grant)]);
    }
    now += 3600;

    for outcome in [Outcome::Success, Outcome::QuotaExhausted] {
        let after = run_from(state.clone(), now, &[reported(outcome, 12)]);
        assert_eq!(after.failures, 0, "{outcome:?}");
    }
    let limited = run_from(state, now, &[reported(Outcome::RateLimited, 12)]);
    assert_eq!(limited.phase, Phase::Tripped { probe_at: at(now + 30) }, "a limit does not reopen it");
}

#[test]
fn exchanges_that_fail_wait_longer_each_time() {
    let failed = [Event::ExchangeFailed { usable: true }; 3];

    assert_eq!(run(&failed).no_exchange_before, Some(at(20)));
    assert_eq!(
        run(&[failed.as_slice(), &[reported(Outcome::Success, 1)]].concat()).no_exchange_before,
        Some(at(20))
    );
    assert_eq!(run(&[failed.as_slice(), &[Event::Exchanged]].concat()).no_exchange_before, None);
}

#[test]
fn one_that_gets_no_answer_gives_way_for_a_moment() {
    let unanswered = |grant| reported(Outcome::UpstreamUnavailable, grant);
    let mut state = run(&[unanswered(1), unanswered(2)]);
    assert_eq!(state.gives_way_until, None);
    let mut now = 0;
    for (grant, rest) in [(3, 5), (4, 10), (5, 20), (6, 40), (7, 60), (8, 60)] {
        state = run_from(state, now, &[unanswered(grant)]);
        assert_eq!(state.gives_way_until, Some(at(now + rest)));
        assert_eq!((state.phase, state.failures, state.last_failure), (Phase::Active, 0, None));
        now += rest;
        assert!(!state.gives_way(at(now)));
    }
    for outcome in [Outcome::Success, Outcome::Rejected, Outcome::RateLimited, Outcome::RequestFault] {
        let after = run_from(state.clone(), now, &[reported(outcome, 9)]);
        assert_eq!((after.faults, after.gives_way_until), (0, None), "{outcome:?} ends the row");
    }
    for outcome in [Outcome::Abandoned, Outcome::UpstreamFault] {
        assert_eq!(run_from(state.clone(), now, &[reported(outcome, 9)]), state, "{outcome:?} tells nothing");
    }
}

#[test]
fn what_was_not_its_fault_is_taken_back_and_nothing_else() {
    let refused = |grant| reported(Outcome::Rejected, grant);
    let fault = |grant| reported(Outcome::UpstreamUnavailable, grant);
    let tripped = [refused(1), refused(2), refused(3)];
    let resting = [fault(1), fault(2), fault(3)];
    let exchanges = [Event::ExchangeFailed { usable: false }];
    let cooling = |seconds| Phase::CoolingDown { until: at(seconds) };
    for (name, events, excused, phase, failures) in [
        ("all of its refusals", tripped.to_vec(), Excused::Refusals(3), Phase::Active, 0),
        ("the last of them", tripped.to_vec(), Excused::Refusals(1), Phase::Active, 2),
        ("more than it had", tripped.to_vec(), Excused::Refusals(9), Phase::Active, 0),
        ("not its refusals", tripped.to_vec(), Excused::Faults, Phase::Tripped { probe_at: at(60) }, 3),
        (
            "refusals before them",
            [&[refused(1), refused(2), refused(3)], &[refused(4)][..]].concat(),
            Excused::Refusals(1),
            Phase::Tripped { probe_at: at(120) },
            3,
        ),
        (
            "not its limit",
            [&resting[..], &[reported(Outcome::RateLimited, 4)]].concat(),
            Excused::Faults,
            cooling(30),
            0,
        ),
        ("its exchanges", exchanges.to_vec(), Excused::Exchanges, Phase::Active, 0),
        (
            "not what waits for a person",
            vec![reported(Outcome::Blocked, 1)],
            Excused::Faults,
            Phase::Blocked,
            0,
        ),
    ] {
        let after = run(&[events, vec![Event::Excused(excused)]].concat());

        assert_eq!((after.phase, after.failures), (phase, failures), "{name}");
    }
    let after = run(&[&resting[..], &[Event::Excused(Excused::Faults)]].concat());
    assert_eq!((after.faults, after.gives_way_until), (0, None));
    let after = run(&[&exchanges[..], &[Event::Excused(Excused::Exchanges)]].concat());
    assert_eq!((after.failed_exchanges, after.no_exchange_before), (0, None));
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Rejected),
        Just(Outcome::Blocked),
        Just(Outcome::QuotaExhausted),
        Just(Outcome::RateLimited),
        Just(Outcome::UpstreamFault),
        Just(Outcome::UpstreamUnavailable),
        Just(Outcome::RequestFault),
        Just(Outcome::Abandoned),
    ];
    prop_oneof![
        8 => (outcome, prop::option::of(0..100_000u64), 0..4u64).prop_map(|(outcome, wait, age)| Event::Reported {
            outcome,
            retry_after: wait.map(Duration::from_secs),
            grant: age,
        }),
        1 => Just(Event::Exchanged),
        1 => Just(Event::ExchangeRefused),
        1 => any::<bool>().prop_map(|usable| Event::ExchangeFailed { usable }),
        1 => prop_oneof![
            (0..5u32).prop_map(Excused::Refusals),
            Just(Excused::Faults),
            Just(Excused::Exchanges),
        ].prop_map(Event::Excused),
        1 => Just(Event::SwitchedOff),
        1 => Just(Event::Recovered),
    ]
}

proptest! {
    #[test]
    fn a_credential_that_is_not_ready_comes_back_or_waits_for_a_person(
        steps in prop::collection::vec((event(), 0..2000u64, 0.0..1.0f64), 1..60)
    ) {
        let config = PoolConfig::default();
        let mut state = State::default();
        let mut now = at(0);
        let mut last_grant = 0;
        for (event, pause, random) in steps {
            now += Duration::from_secs(pause);
            last_grant += 1;
            let event = match event {
                // Ages 0 to 3: from a fresh lease to one that was out before.
                Event::Reported { outcome, retry_after, grant } => {
                    Event::Reported { outcome, retry_after, grant: last_grant - grant.min(last_grant) }
                }
                other => other,
            };
            let before = state.clone();
            state = state.after(event, &Context { now, random, last_grant, config: &config });

            match state.readiness(now) {
                Readiness::Down { recovery: None } => prop_assert!(state.waits_for_a_person()),
                Readiness::Down { recovery: Some(recovery) } => {
                    prop_assert!(recovery > now);
                    prop_assert!(recovery <= now + config.max_quota_wait);
                    prop_assert!(!matches!(state.readiness(recovery), Readiness::Down { .. }), "it is back at that time");
                }
                Readiness::HalfOpen => prop_assert!(state.failures >= config.failures_to_disable),
                Readiness::Ready => {}
            }
            if matches!(state.phase, Phase::Tripped { .. }) {
                prop_assert!(state.failures >= config.failures_to_disable);
            }
            if let Event::Reported { outcome: Outcome::UpstreamFault | Outcome::RequestFault | Outcome::Abandoned, .. } = event {
                let State { faults, gives_way_until, settled, .. } = state;
                let phase = before.phase_at(now);
                let expected = State { phase, faults, gives_way_until, settled, ..before.clone() };
                prop_assert_eq!(&state, &expected, "nothing is counted");
                if state.gives_way(now) && !before.gives_way(now) {
                    let longest = now + config.give_way.max.mul_f64(1.2);
                    prop_assert!(faults >= config.faults_to_give_way);
                    prop_assert!(gives_way_until.is_some_and(|until| until <= longest));
                }
            }
            if before.waits_for_a_person() && event != Event::Recovered && event != Event::SwitchedOff {
                prop_assert_eq!(state.phase, before.phase, "nothing but a person ends it");
            }
        }
    }
}

#[test]
fn a_blocked_account_waits_a_minute_and_a_year_alike() {
    let state = run(&[reported(Outcome::Blocked, 1)]);

    for wait in [MINUTE, 525_600 * MINUTE] {
        assert_eq!(state.readiness(at(0) + wait), Readiness::Down { recovery: None });
    }
}
