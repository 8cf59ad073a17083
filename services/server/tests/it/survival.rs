//! The program killed without warning, and started again on what it left behind.

use std::path::Path;
use std::time::Duration;

use tonic::Code;
use warp2api_proto::token_pool::v1::{CredentialOutcome, CredentialState};
use warp2api_upstream_sim::{ExchangeScenario, Rotation};

use crate::pool_client::{Client, Upstream, credentials};
use crate::program::{PATIENCE, Program, run};

fn start(folder: &Path, upstream: &Upstream) -> Program {
    Program::start(
        &["token-pool"],
        &[
            ("W2A_DATA_DIR", folder.to_str().unwrap()),
            ("W2A_UPSTREAM", &upstream.url),
            ("WARP_FIREBASE_API_KEY", "public"),
            ("WARP_API_KEY", "key=wk-planted-key"),
            ("WARP_SHARED_TOKENS", "refresh=planted-refresh"),
            ("W2A_MAX_IN_FLIGHT", "200"),
        ],
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_a_refresh_and_with_a_hundred_leases_out_it_has_lost_nothing() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start(&["planted-refresh"]).await);
    // The token endpoint takes the old refresh token back for good as soon as it has given a new one.
    upstream.simulator.enqueue_exchange(ExchangeScenario::usual().rotating(Rotation::RotateAndRevoke));
    let program = start(folder.path(), &upstream);
    let client = Client::connect(&program).await;
    let mut leases = Vec::new();
    for _ in 0..100 {
        leases.push(client.acquire(&["refresh"]).await.unwrap());
    }
    let first = client.acquire(&["key"]).await.unwrap();
    let access_token = first.bearer.clone();
    client.report(&first.lease_id, CredentialOutcome::Rejected).await.unwrap();
    upstream
        .simulator
        .enqueue_exchange(ExchangeScenario::usual().rotating(Rotation::Rotate).delayed(PATIENCE));
    let exchanging = client.clone();
    let waiting = tokio_util::task::TaskTracker::new()
        .spawn(async move { exchanging.acquire(&["key"]).await.map(drop) });
    upstream.exchanged(2).await;

    program.killed();
    assert!(waiting.await.unwrap().is_err(), "it was killed in the middle of it");
    let left: Vec<u8> =
        files(folder.path()).into_iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    let program = start(folder.path(), &upstream);

    let client = Client::connect(&program).await;
    let status = client.status().await;
    assert_eq!(status.in_flight_count, 100, "the one that waited for the exchange had no lease");
    let shown = client.list().await;
    let counted: Vec<_> =
        shown.iter().map(|c| (c.display_name.as_str(), c.granted_count, c.in_flight_count)).collect();
    assert_eq!(counted, [("key", 100, 100), ("refresh", 1, 0)]);
    for lease in &leases {
        client.report(&lease.lease_id, CredentialOutcome::Success).await.unwrap();
    }
    let again = client.report(&leases[0].lease_id, CredentialOutcome::Success).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound, "once");

    let renewed = client.acquire(&["key"]).await.unwrap();
    let used = upstream.refresh_tokens();
    assert_eq!(used.len(), 3, "{used:?}");
    assert_ne!(used[0], used[1], "what the first exchange gave was used by the second");
    assert_eq!(
        used[1], used[2],
        "and by the one after the restart: what the second gave nobody had received"
    );
    client.report(&renewed.lease_id, CredentialOutcome::Success).await.unwrap();
    assert_eq!(client.status().await.in_flight_count, 0, "nothing is stuck");
    assert!(client.list().await.iter().all(|credential| credential.state() == CredentialState::Active));

    for secret in ["planted", access_token.as_str(), renewed.bearer.as_str()] {
        let found = left.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "what was left behind shows a secret");
    }
}

/// Whoever was answered has a refresh token that was stored, whenever the end comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_right_after_an_answer_it_remembers_the_rotated_token() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start(&["planted-refresh"]).await);
    for round in 0..6 {
        upstream.simulator.enqueue_exchange(
            ExchangeScenario::usual().rotating(Rotation::RotateAndRevoke).lasting(Duration::from_secs(11)),
        );
        let program = start(folder.path(), &upstream);
        let client = Client::connect(&program).await;
        // The access token of the round before may be handed out for a moment still.
        let renewed = async {
            loop {
                let lease = client.acquire(&["key"]).await;
                let lease = lease.unwrap_or_else(|status| panic!("round {round}: {status}"));
                if upstream.refresh_tokens().len() > round {
                    break lease;
                }
                client.report(&lease.lease_id, CredentialOutcome::Success).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let lease = tokio::time::timeout(PATIENCE, renewed).await.expect("an access token ends");
        program.killed();

        assert!(!lease.bearer.is_empty());
    }
    let used = upstream.refresh_tokens();
    assert_eq!(used.len(), 6);
    let distinct: std::collections::BTreeSet<_> = used.iter().collect();
    assert_eq!(distinct.len(), 6, "no refresh token was used twice: {used:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_whose_holder_died_with_the_program_expires_after_the_restart() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start(&[]).await);
    let program = start(folder.path(), &upstream);
    let client = Client::connect(&program).await;
    let lost = client.acquire_for(Duration::from_secs(6)).await.unwrap();
    // What is stored for good is stored with everything before it.
    program.signal("TERM");
    program.ended();

    let program = start(folder.path(), &upstream);
    let client = Client::connect(&program).await;
    assert_eq!(client.status().await.in_flight_count, 1, "it was taken over");
    client.settled().await;

    let late = client.report(&lost.lease_id, CredentialOutcome::Success).await.unwrap_err();
    assert_eq!(late.code(), Code::NotFound);
}

#[test]
fn a_second_program_in_the_same_folder_says_who_is_first() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("W2A_DATA_DIR", folder.path().to_str().unwrap()), ("W2A_UPSTREAM", "embedded")];
    let first = Program::start(&["token-pool"], &settings);
    let others = [settings[0], settings[1], ("W2A_GRPC_ADDR", "127.0.0.1:0")];

    let second = run(&["token-pool"], &others);

    assert_eq!(second.status.code(), Some(1));
    assert!(second.stderr.contains("is in use by process"), "{}", second.stderr);
    assert!(second.stderr.contains("W2A_DATA_DIR") && second.stderr.contains("postgres://"));
    first.killed();
    Program::start(&["token-pool"], &settings);
}

/// A credential that was added while the program ran counts like one of the variables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_credential_makes_the_next_start_use_warp() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("W2A_DATA_DIR", folder.path().to_str().unwrap()), ("WARP_URL", "http://127.0.0.1:9")];
    let before = Program::start(&[], &settings);
    assert_eq!(before.shown("upstream"), "embedded:");
    before.killed();
    credentials(folder.path()).await;

    let after = Program::start(&[], &settings);

    assert_eq!(after.shown("upstream"), "http://127.0.0.1:9");
    assert!(after.banner.contains("1 shared"), "{}", after.banner);
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| !path.ends_with("store.key")).collect()
}
