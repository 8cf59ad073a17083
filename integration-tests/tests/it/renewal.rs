//! Refresh tokens: bearers that run out are renewed on the way, and refresh tokens that are void are passed over.

use std::time::{Duration, SystemTime};

use serde_json::json;
use warp2api_integration_tests::{House, HouseBuilder, ask, json_of};
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{
    AcquireCredentialRequest, CredentialOutcome, Lease, ReportCredentialOutcomeRequest,
};
use warp2api_upstream_sim::{ExchangeScenario, Fingerprint, Refusal, Scenario, SimulatorConfig};

use crate::failover::{SHARED, asked, hasty, see};

const REFRESH_TOKEN: &str = "a-refresh-token";

/// A house with a refresh token, and an API key in the next tier.
fn refreshable() -> HouseBuilder {
    let config = SimulatorConfig::without_credentials().exchanging(REFRESH_TOKEN).accepting(SHARED);
    hasty(config).settings(|settings| {
        settings.warp_refresh_token = Some(REFRESH_TOKEN.into());
        settings.warp_shared_tokens = Some(SHARED.into());
        settings.warp_firebase_api_key = Some("a-web-key".into());
    })
}

#[tokio::test]
async fn a_bearer_that_ran_out_is_renewed_and_the_turn_goes_through() {
    let house = refreshable().start().await;
    assert_eq!(see(&house, false).await, (200, json!("served")));
    assert_eq!(house.record().exchanges().len(), 1);
    let exchange = house.record().exchanges()[0].clone();
    assert_eq!(exchange.field("refresh_token"), Some(Fingerprint::of(REFRESH_TOKEN).to_string().as_str()));

    house.simulator.expire_bearer(&bearer(&house).await);
    house.record().clear();
    assert_eq!(see(&house, true).await, (200, json!("served")));

    let chats = house.record().chats();
    let statuses: Vec<_> = chats.iter().map(|chat| chat.status).collect();
    assert_eq!((statuses, house.record().exchanges().len()), (vec![Some(401), Some(200)], 1));
    assert_ne!(chats[0].bearer, chats[1].bearer);
    assert_eq!(asked(&house), ["another"; 2], "the same credential");
    house.close().await;
}

#[tokio::test]
async fn the_originals_refresh_gets_new_access_tokens_and_says_truly_when_it_cannot() {
    let house = refreshable().start().await;
    let refresh = async || {
        let answer = house.http.post(format!("http://{}/api/auth/refresh", house.token_pool)).send().await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), json_of(answer).await)
    };
    let before = bearer(&house).await;

    let (status, done) = refresh().await;
    assert_eq!((status, &done["success"]), (200, &json!(true)), "{done}");
    assert!(done["message"].as_str().unwrap().starts_with("1 of 1"), "the API key has nothing to refresh");
    assert!(done["timestamp"].is_string());
    let after = bearer(&house).await;
    assert_ne!(before, after);

    house.simulator.enqueue_exchange(ExchangeScenario::error("TOKEN_EXPIRED"));
    let (status, failed) = refresh().await;
    assert!((400..600).contains(&status), "{status} {failed}");
    assert_eq!(failed["success"], false, "{failed}");
    assert!(
        failed["message"].is_string() && failed["suggestion"].is_string() && failed["detail"].is_string()
    );
    for said in [&done, &failed] {
        let said = said.to_string();
        for secret in [REFRESH_TOKEN, SHARED, &before[..20], &after[..20], "a-web-key"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    house.close().await;
}

/// The bearer the pool hands out now.
async fn bearer(house: &House) -> String {
    lease(house, AcquireCredentialRequest::default()).await.bearer
}

/// A lease that is given back already.
async fn lease(house: &House, request: AcquireCredentialRequest) -> Lease {
    let mut pool = TokenPoolClient::new(house.channel(&house.token_pool).await);
    let lease = pool.acquire_credential(request).await.unwrap().into_inner().lease.unwrap();
    pool.report_credential_outcome(ReportCredentialOutcomeRequest {
        lease_id: lease.lease_id.clone(),
        outcome: CredentialOutcome::Abandoned.into(),
        ..Default::default()
    })
    .await
    .unwrap();
    lease
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_a_turn_may() {
    let house = refreshable().settings(|settings| settings.turn_timeout = Some("7200".into())).start().await;
    let wanted = Duration::from_secs(7260).try_into().ok();
    let request = AcquireCredentialRequest { lease_duration: wanted, ..Default::default() };
    let now = SystemTime::now();

    let lease = lease(&house, request).await;

    let expires = SystemTime::try_from(lease.expire_time.unwrap()).unwrap();
    assert!(expires.duration_since(now).unwrap() > Duration::from_secs(7200));
    house.close().await;
}

#[tokio::test]
async fn a_renewed_bearer_that_is_refused_too_is_not_renewed_again() {
    let house = refreshable().start().await;
    house.simulator.enqueue_times(2, &Scenario::refuse(Refusal::unauthorized("invalid token")));

    assert_eq!(see(&house, false).await, (200, json!("served")));

    assert_eq!(asked(&house), ["another", "another", SHARED]);
    assert_eq!(house.record().exchanges().len(), 2);
    house.close().await;
}

#[tokio::test]
async fn a_refresh_token_that_is_void_is_passed_over() {
    for fault in [
        ExchangeScenario::error("TOKEN_EXPIRED"),
        ExchangeScenario::error("USER_DISABLED"),
        ExchangeScenario::refuse(Refusal::unavailable()),
    ] {
        let house = refreshable().start().await;
        house.simulator.on_refresh_token(REFRESH_TOKEN, fault);

        assert_eq!(see(&house, true).await, (200, json!("served")));

        assert_eq!(asked(&house), [SHARED]);
        house.close().await;
    }
}

#[tokio::test]
async fn without_any_access_token_the_caller_is_told_to_come_back() {
    let house = refreshable().settings(|settings| settings.warp_shared_tokens = None).start().await;
    house.simulator.on_refresh_token(REFRESH_TOKEN, ExchangeScenario::refuse(Refusal::unavailable()));

    let response = house.post(&ask("hello")).await;

    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(json_of(response).await["error"]["code"], "credential_refresh_failed");
    assert_eq!(asked(&house), [""; 0]);
    house.close().await;
}
