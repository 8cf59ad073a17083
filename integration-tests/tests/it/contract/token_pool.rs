//! `TokenPool` as chat services and operators meet it.

use serde_json::{Value, json};
use tonic::Code;
use warp2api_upstream_sim::EmbeddedCredential;

use super::cases::{call, hold};
use super::rig::{LABEL, Rig, Way};
use crate::dynamic;

const ACQUIRE: &str = "token_pool.v1.TokenPool/AcquireCredential";
const REPORT: &str = "token_pool.v1.TokenPool/ReportCredentialOutcome";
const LIST: &str = "token_pool.v1.TokenPool/ListCredentials";
const GET: &str = "token_pool.v1.TokenPool/GetCredential";
const STATUS: &str = "token_pool.v1.TokenPool/GetPoolStatus";

#[tokio::test]
async fn calls_of_the_pool() {
    hold([
        call(ACQUIRE, json!({})).gives([json!({"lease": {"bearer": EmbeddedCredential::API_KEY}})]),
        call(ACQUIRE, json!({"leaseDuration": "-1s"})).refuses_field("lease_duration"),
        call(ACQUIRE, json!({"maxWait": "-1s"})).refuses_field("max_wait"),
        call(ACQUIRE, json!({"excludedCredentials": ["x"]})).refuses_field("excluded_credentials[0]"),
        call(REPORT, json!({"outcome": "CREDENTIAL_OUTCOME_SUCCESS"})).refuses_field("lease_id"),
        call(REPORT, json!({"leaseId": "l"})).refuses_field("outcome"),
        call(REPORT, json!({"leaseId": "l", "outcome": "CREDENTIAL_OUTCOME_SUCCESS"}))
            .fails(Code::NotFound, "LEASE_NOT_FOUND"),
        call(LIST, json!({})).gives([json!({"credentials": [{
            "displayName": LABEL,
            "tier": "CREDENTIAL_TIER_PERSONAL",
            "kind": "CREDENTIAL_KIND_API_KEY",
            "state": "CREDENTIAL_STATE_ACTIVE",
        }]})]),
        call(LIST, json!({"pageSize": -1})).refuses_field("page_size"),
        call(LIST, json!({"pageToken": "?"})).refuses_field("page_token"),
        call(GET, json!({"name": "nobody"})).refuses_field("name"),
        call(GET, json!({"name": "credentials/01234567"}))
            .fails(Code::NotFound, "CREDENTIAL_NOT_FOUND")
            .with("credential", "credentials/01234567"),
        call(STATUS, json!({})).gives([json!({
            "totalCount": 1,
            "activeCount": 1,
            "tiers": [{"tier": "CREDENTIAL_TIER_PERSONAL", "totalCount": 1, "activeCount": 1}],
        })]),
    ])
    .await;
}

/// One credential from its first lease until it is out of quota.
#[tokio::test]
async fn the_life_of_a_credential() {
    for way in Way::ALL {
        let rig = Rig::start(*way).await;
        let pool = &rig.token_pool;
        let of = async |method, request: Value| dynamic::call(pool, method, &request).await;

        let mut leases = Vec::new();
        for _ in 0..2 {
            let lease = of(ACQUIRE, json!({})).await.messages[0]["lease"].clone();
            leases.push(lease);
        }
        let full = of(ACQUIRE, json!({})).await.refusal.expect("it has two slots");
        let status = of(STATUS, json!({})).await.messages[0].clone();
        let credential = leases[0]["credential"].clone();
        let excluded = of(ACQUIRE, json!({"excludedCredentials": [credential]})).await.refusal;
        let mut after = Vec::new();
        for (lease, outcome) in leases.iter().zip(["SUCCESS", "QUOTA_EXHAUSTED"]) {
            let outcome = format!("CREDENTIAL_OUTCOME_{outcome}");
            let report = json!({"leaseId": lease["leaseId"], "outcome": outcome, "retryAfter": "60s"});
            after.push(of(REPORT, report).await.messages[0]["credential"].clone());
        }
        let again = of(REPORT, json!({"leaseId": leases[0]["leaseId"], "outcome": 1})).await.refusal;
        let exhausted = of(ACQUIRE, json!({})).await.refusal.expect("nothing is left");
        let got = of(GET, json!({"name": credential})).await.messages[0]["credential"].clone();

        assert_eq!((full.code, full.reason, full.wait), (Code::Unavailable, "OVERLOADED", true), "{way:?}");
        assert_eq!(full.metadata, [("cause".to_owned(), "all_busy".to_owned())]);
        assert_eq!(status["inFlightCount"], 2, "{way:?}");
        let excluded = excluded.expect("the only one is excluded");
        assert_eq!(
            (excluded.code, excluded.reason),
            (Code::Unavailable, "NO_CREDENTIAL_AVAILABLE"),
            "{way:?}"
        );
        assert_eq!(after[0]["state"], "CREDENTIAL_STATE_ACTIVE", "{way:?}");
        assert_eq!(after[1]["state"], "CREDENTIAL_STATE_EXHAUSTED", "{way:?}");
        assert!(after[1]["recoveryTime"].is_string(), "{way:?}");
        assert_eq!(again.expect("the lease is over").reason, "LEASE_NOT_FOUND", "{way:?}");
        let (code, reason) = (Code::ResourceExhausted, "UPSTREAM_QUOTA_EXHAUSTED");
        assert_eq!((exhausted.code, exhausted.reason, exhausted.wait), (code, reason, true), "{way:?}");
        assert_eq!((&got, &got["grantedCount"]), (&after[1], &json!("2")), "{way:?}");
        rig.stop().await;
    }
}
