//! Planted secrets show up nowhere.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tonic::Status;
use tracing_subscriber::fmt::MakeWriter;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool as _;
use warp2api_proto::token_pool::v1::{AcquireCredentialRequest, ListCredentialsRequest};
use warp2api_rpc::Failure;
use warp2api_token_pool::{Kind, NewCredential, Outcome, Report, Secret, Tier, TokenPoolService};

use crate::bench::{Answer, Endpoint, acquire, advance, config, pool_with};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

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
    let subscriber =
        tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(tracing::Level::TRACE).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
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

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("credential.id"), "the log was captured: {log}");
    for text in [log, shown.join("\n")] {
        for secret in ["planted", "access-"] {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None);
        }
    }
}
