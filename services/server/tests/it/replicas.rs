//! Three processes on one PostgreSQL: one is killed, one is cut off for a while, and they are one pool all the time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::Code;
use warp2api_proto::token_pool::v1::{AcquireCredentialRequest, CredentialOutcome, CredentialState};
use warp2api_upstream_sim::{ExchangeScenario, Rotation};

use crate::pool_client::{Client, Upstream, until};
use crate::postgres::TestDatabase;
use crate::program::{PATIENCE, Program};
use crate::proxy::Proxy;

/// Leases of one credential that may be out at once.
const CAP: usize = 3;
/// How long a lease lasts whose grant nobody heard of.
const LEASE: Duration = Duration::from_secs(4);

fn start(database: &TestDatabase, upstream: &Upstream) -> Program {
    Program::start(
        &["token-pool"],
        &[
            ("W2A_DATABASE_URL", &database.url),
            ("W2A_STORE_KEY", &database.key),
            ("W2A_UPSTREAM", &upstream.url),
            ("WARP_FIREBASE_API_KEY", "public"),
            ("WARP_API_KEY", "one=wk-planted-1,two=wk-planted-2"),
            ("WARP_SHARED_TOKENS", "refresh=planted-refresh"),
            ("W2A_MAX_IN_FLIGHT", "3"),
        ],
    )
}

/// The leases that callers have, by credential, and the most there ever were.
#[derive(Debug, Clone, Default)]
struct Out(Arc<Mutex<BTreeMap<String, (usize, usize)>>>);

impl Out {
    fn add(&self, credential: &str) {
        let mut out = self.0.lock().unwrap();
        let (now, most) = out.entry(credential.to_owned()).or_default();
        *now += 1;
        *most = (*most).max(*now);
    }

    fn remove(&self, credential: &str) {
        self.0.lock().unwrap().get_mut(credential).unwrap().0 -= 1;
    }

    /// Whether a credential was leased.
    fn has_been(&self, credential: &str) -> bool {
        self.0.lock().unwrap().contains_key(credential)
    }

    fn most(&self) -> usize {
        self.0.lock().unwrap().values().map(|(_, most)| *most).max().unwrap_or_default()
    }
}

/// What the callers of one process had: turns, and refusals for want of the database.
#[derive(Debug, Default)]
struct Count {
    served: AtomicUsize,
    refused: AtomicUsize,
}

impl Count {
    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Takes turns with one process until told to stop.
async fn turns(client: Client, out: Out, stop: Arc<AtomicBool>, count: Arc<Count>) {
    let wish = AcquireCredentialRequest {
        lease_duration: LEASE.try_into().ok(),
        max_wait: Duration::from_secs(2).try_into().ok(),
        ..AcquireCredentialRequest::default()
    };
    while !stop.load(Ordering::Relaxed) {
        match client.send(wish.clone()).await {
            Ok(lease) => {
                out.add(&lease.credential_display_name);
                tokio::time::sleep(Duration::from_millis(20)).await;
                // From here on the slot may be another's.
                out.remove(&lease.credential_display_name);
                drop(client.report(&lease.lease_id, CredentialOutcome::Success).await);
                count.served.fetch_add(1, Ordering::Relaxed);
            }
            Err(status) => {
                assert!(
                    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown),
                    "{status:?}"
                );
                if format!("{status:?}").contains("STORE_UNAVAILABLE") {
                    count.refused.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Waits until no slot is kept for a caller that waits for an access token.
async fn reserved(database: &TestDatabase) {
    let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let none = async {
        let count = "SELECT count(*) FROM leases WHERE lent = 0";
        while sqlx::query_scalar::<_, i64>(count).fetch_one(&mut connection).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, none).await.expect("everybody has the access token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_of_which_one_is_killed_and_one_cut_off_are_one_pool() {
    let Some(database) = TestDatabase::create().await else { return };
    let upstream = Upstream::start(&["planted-refresh"]).await;
    let slow = ExchangeScenario::usual().rotating(Rotation::RotateAndRevoke);
    upstream.simulator.enqueue_exchange(slow.delayed(Duration::from_millis(300)));
    let (proxy, url) = Proxy::before(&database.url).await;
    let by_proxy = TestDatabase { url, ..database.clone() };
    let [whole, killed, cut] = [database.clone(), database.clone(), by_proxy].map(|d| start(&d, &upstream));
    let (out, stop) = (Out::default(), Arc::new(AtomicBool::new(false)));
    let tasks = tokio_util::task::TaskTracker::new();
    let mut callers = Vec::new();
    let counts: [Arc<Count>; 3] = Default::default();
    for (program, count) in [&whole, &killed, &cut].into_iter().zip(&counts) {
        // More callers than slots: the tier SHARED is needed, and with it the refresh token, by all at once.
        for _ in 0..6 {
            let client = Client::connect(program).await;
            let (out, stop, count) = (out.clone(), stop.clone(), count.clone());
            callers.push(tasks.spawn(turns(client, out, stop, count)));
        }
    }
    let [by_whole, _, by_cut] = &counts;
    until("all serve", || counts.iter().all(|count| count.served() > 10) && out.has_been("refresh")).await;
    assert_eq!(upstream.refresh_tokens().len(), 1, "one refresh");
    // Whoever waited for it has its result: slots that are kept for such callers are kept for longer than leases last.
    reserved(&database).await;

    killed.killed();
    proxy.cut();
    let before = by_whole.served();
    until("the one that is cut off says so, and the whole one goes on", || {
        by_cut.refused() > 0 && by_whole.served() > before + 100
    })
    .await;
    proxy.mend();
    let before = by_cut.served();
    until("it serves again", || by_cut.served() > before + 20).await;
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        tokio::time::timeout(PATIENCE, caller).await.unwrap().unwrap();
    }

    eprintln!(
        "served and refused by each: {counts:?}; most leases of one credential at once: {}",
        out.most()
    );
    assert_eq!(out.most(), CAP, "the cap was reached and kept");
    assert_eq!(by_whole.refused(), 0, "the one that was cut off said so, and it alone");
    // Grants that nobody heard of end by themselves.
    let clients = [Client::connect(&whole).await, Client::connect(&cut).await];
    clients[0].settled().await;
    for client in &clients {
        let credentials = client.list().await;
        let names: Vec<_> = credentials.iter().map(|c| c.display_name.as_str()).collect();
        assert_eq!(names, ["one", "two", "refresh"], "no credential is lost");
        assert!(credentials.iter().all(|c| c.state() == CredentialState::Active), "{credentials:?}");
    }
    // The refresh token that was rotated is the one that is used, by whichever process comes next.
    let third = start(&database, &upstream);
    let client = Client::connect(&third).await;
    let lease = client.acquire(&["one", "two"]).await.unwrap();
    client.report(&lease.lease_id, CredentialOutcome::Rejected).await.unwrap();
    let renewed = clients[1].acquire(&["one", "two"]).await.unwrap();
    assert_ne!(lease.bearer, renewed.bearer);
    let used = upstream.refresh_tokens();
    assert!(used.len() == 2 && used[0] != used[1], "{used:?}");
}

/// A process that is killed while it exchanges leaves the exchange to the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exchange_of_one_that_was_killed_is_made_by_another() {
    let Some(database) = TestDatabase::create().await else { return };
    let upstream = Upstream::start(&["planted-refresh"]).await;
    upstream.simulator.enqueue_exchange(ExchangeScenario::stall());
    let [first, second] = [start(&database, &upstream), start(&database, &upstream)];
    let [dying, waiting] = [Client::connect(&first).await, Client::connect(&second).await];
    let callers = tokio_util::task::TaskTracker::new();
    let dying = callers.spawn(async move { dying.acquire(&["one", "two"]).await.map(drop) });
    upstream.exchanged(1).await;
    let waiting = callers.spawn(async move { waiting.acquire(&["one", "two"]).await });
    first.killed();

    // The claim of the one that is gone ends with what an exchange may take, and a little.
    let lease = tokio::time::timeout(2 * PATIENCE, waiting).await.unwrap().unwrap();

    assert!(dying.await.unwrap().is_err());
    assert_eq!(lease.unwrap().credential_display_name, "refresh");
    assert_eq!(upstream.refresh_tokens().len(), 2);
}
