//! Planted secrets show up nowhere.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use tonic::Status;
use tracing_subscriber::fmt::MakeWriter;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool as _;
use warp2api_proto::token_pool::v1::{AcquireCredentialRequest, ListCredentialsRequest};
use warp2api_rpc::Failure;
use warp2api_token_pool::{Kind, NewCredential, Outcome, Report, Secret, Tier, TokenPoolService};

use crate::bench::{Answer, Endpoint, acquire, advance, config, pool_with};

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes down everything this thread logs, at its most talkative, as long as the guard lives.
    pub(crate) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        // With a single subscriber in the process, the first thread to come by a log statement decides whether it is ever
        // told; threads of other tests have none. A second subscriber ends that shortcut.
        static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
        let trace = || tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        SECOND.get_or_init(|| tracing::Dispatch::new(trace().with_writer(std::io::sink).finish()));
        tracing::subscriber::set_default(trace().with_writer(self.clone()).finish())
    }

    /// What was said.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn planted(tier: Tier, kind: Kind, secret: &str) -> NewCredential {
    NewCredential { tier, kind, display_name: None, secret: Secret::new(secret) }
}

#[tokio::test(start_paused = true)]
async fn planted_secrets_are_in_no_log_error_or_debug_output() {
    let log = Log::default();
    let _guard = log.listen();
    let mut shown = Vec::new();
    let endpoint = Endpoint::default();
    let credentials = vec![
        planted(Tier::Personal, Kind::RefreshToken, "planted-refresh"),
        planted(Tier::Shared, Kind::ApiKey, "wk-planted"),
        planted(Tier::Shared, Kind::StaticJwt, "planted-jwt"),
    ];
    shown.push(format!("{credentials:?} {:?}", endpoint.exchange()));
    let pool = pool_with(config(), credentials, &endpoint);
    let service = TokenPoolService::new(pool.clone());

    for answer in [
        Answer::Token,
        Answer::Rotate("planted-rotated"),
        Answer::Error(400, "INVALID_REFRESH_TOKEN planted-refresh"),
        Answer::Error(500, "planted-refresh"),
        Answer::Hang,
    ] {
        for refresh_token in ["planted-refresh", "planted-rotated"] {
            endpoint.next(refresh_token, answer.clone());
        }
        for outcome in [Outcome::Success, Outcome::Rejected, Outcome::RateLimited, Outcome::Blocked] {
            match acquire(&pool).await {
                Ok(lease) => {
                    shown.push(format!("{lease:?}"));
                    let detail = Some(format!("server said: Bearer {} is bad", lease.bearer.expose()));
                    let report =
                        Report { lease: lease.id, continues: false, outcome, retry_after: None, detail };
                    shown.push(format!("{:?}", pool.report(report).await));
                }
                Err(error) => {
                    let status = Status::from(Failure::from(error.clone()));
                    shown.push(format!("{error} {error:?} {status:?}"));
                }
            }
            advance(1000).await;
        }
    }
    let list =
        service.list_credentials(tonic::Request::new(ListCredentialsRequest::default())).await.unwrap();
    let answer = service.acquire_credential(tonic::Request::new(AcquireCredentialRequest::default())).await;
    shown.push(format!("{list:?} {answer:?} {pool:?} {service:?} {:?}", pool.status().await.unwrap()));

    let log = log.text();
    assert!(log.contains("credential.id"), "the log was captured: {log}");
    for text in [log, shown.join("\n")] {
        for secret in ["planted", "access-"] {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None);
        }
    }
}
