//! The rules as one machine: whatever happens in whatever order, tiers are strict, nobody ready is passed over, nobody
//! overtakes, caps hold, one at a time tries what had failed, an outage disables nobody, and an operator's word counts.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use proptest::prelude::*;
use tokio::runtime::Builder;
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::view::CredentialView;
use warp2api_token_pool::{
    Acquire, CredentialId, Error, Lease, LeaseId, Outcome, Pool, PoolConfig, Report, Tier,
};

use crate::bench::{advance, config, key, pool, report, waiting};

const CAP: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    Acquire { excluded: Option<usize>, affinity: Option<u8> },
    Wait,
    Report { lease: usize, outcome: Outcome, retry_after: Option<u64>, continues: bool },
    Sleep { seconds: u64 },
    SwitchOff { credential: usize },
    Recover { credential: usize },
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        5 => Just(Outcome::Success),
        4 => Just(Outcome::Rejected),
        4 => Just(Outcome::UpstreamUnavailable),
        1 => Just(Outcome::UpstreamFault),
        1 => Just(Outcome::RequestFault),
        1 => Just(Outcome::Blocked),
        1 => Just(Outcome::QuotaExhausted),
        2 => Just(Outcome::RateLimited),
        1 => Just(Outcome::Abandoned),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let report = (0..6usize, outcome(), prop::option::of(0..300u64), prop::bool::weighted(0.1)).prop_map(
        |(lease, outcome, retry_after, continues)| Step::Report { lease, outcome, retry_after, continues },
    );
    let acquire = (prop::option::weighted(0.2, 0..5usize), prop::option::weighted(0.2, any::<u8>()));
    prop_oneof![
        8 => acquire.prop_map(|(excluded, affinity)| Step::Acquire { excluded, affinity }),
        2 => Just(Step::Wait),
        9 => report,
        3 => (0..90u64).prop_map(|seconds| Step::Sleep { seconds }),
        1 => (0..5usize).prop_map(|credential| Step::SwitchOff { credential }),
        1 => (0..5usize).prop_map(|credential| Step::Recover { credential }),
    ]
}

type Waiting = Pin<Box<dyn Future<Output = Result<Lease, Error>>>>;

/// A pool of API keys, and what was seen of it.
struct Machine {
    pool: Pool,
    ids: Vec<CredentialId>,
    leases: Vec<Lease>,
    waiting: Vec<Waiting>,
    /// How often in a row each got no answer: from three on it may give way.
    unanswered: HashMap<CredentialId, u32>,
    /// How many things have happened.
    events: u64,
    /// When each lease was seen first.
    seen: HashMap<LeaseId, u64>,
    /// When something other than a success was told last. What was on loan then says nothing new by going well.
    settled: u64,
}

impl Machine {
    async fn new() -> Self {
        let tiers = [
            (Tier::Personal, "x"),
            (Tier::Personal, "y"),
            (Tier::Shared, "s"),
            (Tier::Shared, "t"),
            (Tier::Anonymous, "a"),
        ];
        let config = PoolConfig {
            max_in_flight: CAP,
            max_in_flight_anonymous: CAP,
            lease_duration: Duration::from_secs(7200),
            max_wait: Duration::from_secs(1_000_000),
            ..config()
        };
        let pool = pool(config, tiers.map(|(tier, name)| key(tier, name)).to_vec());
        let ids = pool.list(None, 100).await.unwrap().0.into_iter().map(|view| view.id).collect();
        Self {
            pool,
            ids,
            leases: Vec::new(),
            waiting: Vec::new(),
            unanswered: HashMap::new(),
            events: 0,
            seen: HashMap::new(),
            settled: 0,
        }
    }

    async fn views(&self) -> Vec<CredentialView> {
        self.pool.list(None, 100).await.unwrap().0
    }

    async fn upstream_is_left_alone(&self) -> bool {
        self.pool.status().await.unwrap().endpoints[0].open.is_some()
    }

    fn gives_way(&self, id: &CredentialId) -> bool {
        self.unanswered.get(id).is_some_and(|count| *count >= 3)
    }

    async fn acquire(&mut self, excluded: Option<usize>, affinity: Option<u8>) -> Result<(), TestCaseError> {
        let excluded: Vec<_> = excluded.and_then(|index| self.ids.get(index).cloned()).into_iter().collect();
        let affinity_key = affinity.map(|key| key.to_string());
        let request = Acquire { excluded: excluded.clone(), affinity_key, ..Acquire::default() };
        let (before, left_alone) = (self.views().await, self.upstream_is_left_alone().await);
        let acquired = self.pool.acquire(request).await;
        let free = |view: &&CredentialView| {
            view.phase == Phase::Active && view.in_flight < CAP && !excluded.contains(&view.id)
        };
        match acquired {
            Ok(lease) => {
                prop_assert!(!excluded.contains(&lease.credential));
                let better = before.iter().filter(free).filter(|view| view.tier < lease.tier);
                for view in better {
                    prop_assert!(left_alone || self.gives_way(&view.id), "{:?} was passed over", view);
                }
                if lease.probe {
                    let others = self.leases.iter().filter(|other| other.probe && left_alone);
                    let same = self.leases.iter().filter(|o| o.probe && o.credential == lease.credential);
                    prop_assert_eq!(others.count() + same.count(), 0, "one at a time tries");
                }
                self.leases.push(lease);
            }
            Err(_) => prop_assert!(left_alone || !before.iter().any(|view| free(&view)), "one was ready"),
        }
        Ok(())
    }

    async fn report(
        &mut self,
        lease: usize,
        outcome: Outcome,
        retry_after: Option<u64>,
        continues: bool,
    ) -> Result<(), TestCaseError> {
        let Some(lease) = self.leases.get_mut(lease) else { return Ok(()) };
        let (id, reported) = (lease.credential.clone(), lease.id.clone());
        let report = Report {
            lease: lease.id.clone(),
            continues,
            outcome,
            retry_after: retry_after.map(Duration::from_secs),
            detail: None,
        };
        if continues {
            // It was told; the next one may try.
            lease.probe = false;
        } else {
            self.leases.retain(|lease| lease.id != reported);
        }
        let after = self.pool.report(report).await.unwrap();
        prop_assert_eq!(&after.id, &id);
        match outcome {
            Outcome::Success if self.seen.get(&reported).is_some_and(|seen| *seen > self.settled) => {
                self.unanswered.remove(&id);
            }
            Outcome::Success => {}
            Outcome::UpstreamUnavailable => *self.unanswered.entry(id).or_default() += 1,
            _ => {}
        }
        if outcome != Outcome::Success {
            self.settled = self.events;
        }
        Ok(())
    }

    /// Hears those who wait: they are served in the order they came.
    async fn hear(&mut self) -> Result<(), TestCaseError> {
        let mut still = Vec::new();
        for mut waiter in std::mem::take(&mut self.waiting) {
            match poll!(&mut waiter) {
                Poll::Pending => still.push(waiter),
                Poll::Ready(Ok(lease)) => {
                    prop_assert!(still.is_empty(), "nobody overtakes");
                    self.leases.push(lease);
                }
                // It hears at once that nothing can come.
                Poll::Ready(Err(_)) => {}
            }
        }
        self.waiting = still;
        Ok(())
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        for view in self.views().await {
            prop_assert!(view.in_flight <= CAP, "{:?}", view);
            let out = self.leases.iter().filter(|lease| lease.credential == view.id).count();
            prop_assert_eq!(view.in_flight as usize, out, "{:?}", view);
            let person = matches!(view.phase, Phase::Blocked | Phase::SwitchedOff | Phase::Expired);
            let down = view.phase != Phase::Active;
            prop_assert_eq!(view.recovery.is_some(), down && !person, "a time or a person: {:?}", view);
        }
        Ok(())
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        self.events += 1;
        match step {
            Step::Acquire { excluded, affinity } => self.acquire(excluded, affinity).await?,
            Step::Wait => {
                let pool = self.pool.clone();
                self.waiting.push(Box::pin(async move { pool.acquire(waiting(1_000_000)).await }));
            }
            Step::Report { lease, outcome, retry_after, continues } => {
                self.report(lease, outcome, retry_after, continues).await?;
            }
            Step::Sleep { seconds } => advance(seconds).await,
            Step::SwitchOff { credential } => {
                self.settled = self.events;
                drop(self.pool.operator("me").disable(&self.ids[credential], "").await.unwrap())
            }
            Step::Recover { credential } => {
                let id = self.ids[credential].clone();
                self.unanswered.remove(&id);
                let after = self.pool.operator("me").recover(&id).await.unwrap();
                prop_assert_eq!(
                    (after.phase, after.failures),
                    (Phase::Active, 0),
                    "an operator's word counts"
                );
            }
        }
        self.hear().await?;
        for lease in &self.leases {
            self.seen.entry(lease.id.clone()).or_insert(self.events);
        }
        self.check().await
    }

    /// However it went: an operator who vouches for all of them has a pool that serves all, fairly.
    async fn recovers(mut self) -> Result<(), TestCaseError> {
        self.waiting.clear();
        for lease in std::mem::take(&mut self.leases) {
            // Reported late, and not good.
            report(&self.pool, &lease, Outcome::Rejected).await;
        }
        for id in &self.ids {
            self.pool.operator("me").recover(id).await.unwrap();
        }
        let mut grants: HashMap<CredentialId, u32> = HashMap::new();
        for _ in 0..9 {
            let lease = self.pool.acquire(Acquire::default()).await;
            let lease = lease.map_err(|error| TestCaseError::fail(format!("{error:?} after recovery")))?;
            prop_assert_eq!(lease.tier, Tier::Personal);
            report(&self.pool, &lease, Outcome::Success).await;
            *grants.entry(lease.credential).or_default() += 1;
        }
        let (least, most) = (grants.values().min(), grants.values().max());
        prop_assert!(grants.len() == 2 && most.unwrap() - least.unwrap() <= 1, "{:?}", grants);
        Ok(())
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// Turns while the upstream refuses everybody: each walks the pool until it has no more.
async fn outage(turns: Vec<(u64, bool)>, credentials: usize) -> Result<(), TestCaseError> {
    let tiers = [Tier::Personal, Tier::Personal, Tier::Shared, Tier::Anonymous];
    let names = ["x", "y", "s", "a"];
    let keys = tiers.into_iter().zip(names).take(credentials).map(|(tier, name)| key(tier, name)).collect();
    let pool = pool(config(), keys);
    let mut refused = 0;
    for (pause, leaves) in turns {
        advance(pause).await;
        let mut excluded = Vec::new();
        while let Ok(lease) = pool.acquire(Acquire { excluded: excluded.clone(), ..Acquire::default() }).await
        {
            report(&pool, &lease, if leaves { Outcome::Abandoned } else { Outcome::Rejected }).await;
            refused += u32::from(!leaves);
            excluded.push(lease.credential);
        }
        let left_alone = pool.status().await.unwrap().endpoints[0].open.is_some();
        for view in pool.list(None, 100).await.unwrap().0 {
            prop_assert!(view.phase == Phase::Active, "an outage disables nobody: {:?}", view);
            prop_assert!(!left_alone || view.failures == 0, "and costs nobody anything: {:?}", view);
        }
    }
    prop_assert!(refused < 100, "the upstream is left alone: {}", refused);
    advance(120).await;
    let lease = pool.acquire(Acquire::default()).await.unwrap();
    report(&pool, &lease, Outcome::Success).await;
    prop_assert!(pool.status().await.unwrap().endpoints[0].open.is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn the_rules_hold_whatever_happens(steps in prop::collection::vec(step(), 1..80)) {
        run(async {
            let mut machine = Machine::new().await;
            for step in steps {
                machine.take(step).await?;
            }
            machine.recovers().await
        })?;
    }

    #[test]
    fn an_upstream_that_refuses_everybody_empties_no_pool(
        turns in prop::collection::vec((0..8u64, prop::bool::weighted(0.2)), 1..80),
        credentials in 2..=4usize,
    ) {
        run(outage(turns, credentials))?;
    }
}
