//! `/api/auth/status` and `/api/auth/refresh`: whether chats have a credential, and new access tokens, by `TokenPool`.
//! They are for those who run the house, and show no part of a token.

use std::time::SystemTime;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use prost_types::Timestamp;
use serde_json::{Value, json};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{
    Credential, CredentialKind, CredentialState, GetPoolStatusRequest, GetPoolStatusResponse,
    ListCredentialsRequest, RefreshCredentialRequest,
};
use warp2api_rpc::{Failure, GrpcEndpoint, Guard};

use super::caller::Admitted;
use super::codec::object;
use super::failure::{Refusal, answer};
use crate::Services;

const STATUS: &str = "/warp2api.token_pool.v1.TokenPool/GetPoolStatus";
const REFRESH: &str = "/warp2api.token_pool.v1.TokenPool/RefreshCredential";
/// The most credentials that one request refreshes: a page.
const MOST_CREDENTIALS: i32 = 1000;
/// How many of them at a time.
const AT_ONCE: usize = 4;

/// A client of TokenPool.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    pool: TokenPoolClient<GrpcEndpoint>,
    guard: Guard,
}

impl Keeper {
    pub(crate) fn new(services: &Services) -> Option<Self> {
        Some(Self { pool: TokenPoolClient::new(services.token_pool.clone()?), guard: services.guard.clone() })
    }
}

/// `GET /api/auth/status`.
pub(crate) async fn status(State(keeper): State<Keeper>, request: Request) -> Result<Response, Refusal> {
    let admitted = Admitted::read(&keeper.guard, STATUS, request).await?;
    let answer = keeper.pool.clone().get_pool_status(admitted.call(GetPoolStatusRequest {})).await;
    let status = answer.map_err(|status| Failure::from(&status))?.into_inner();
    Ok(object(shown(&status)))
}

/// The state of the pool in the original's words.
fn shown(status: &GetPoolStatusResponse) -> Value {
    let (total, active) = (status.total_count, status.active_count);
    let mut shown = json!({
        "authenticated": active > 0,
        "token_present": total > 0,
        "token_expired": total > 0 && active == 0,
    });
    shown["message"] = match (total, active) {
        (0, _) => json!("there is no credential"),
        (_, 0) => json!(format!("none of {total} credentials can be used now")),
        _ => json!(format!("{active} of {total} credentials can be used")),
    };
    if active == 0 {
        shown["suggestion"] = match &status.soonest_recovery_time {
            Some(time) => json!(format!("the first one comes back at {time}")),
            None if total > 0 => json!("see GET /v1/credentials for what is wrong with them"),
            None => json!("set WARP_API_KEY, or add one with `warp2api tokens add`"),
        };
    }
    shown
}

/// `POST /api/auth/refresh`: a new access token for every credential that can have one.
pub(crate) async fn refresh(State(keeper): State<Keeper>, request: Request) -> Result<Response, Refusal> {
    let admitted = Admitted::read(&keeper.guard, REFRESH, request).await?;
    let request = ListCredentialsRequest { page_size: MOST_CREDENTIALS, ..Default::default() };
    let listed = keeper.pool.clone().list_credentials(admitted.call(request)).await;
    let credentials = listed.map_err(|status| Failure::from(&status))?.into_inner().credentials;
    if credentials.is_empty() {
        let failure = Failure::new(ErrorReason::NoCredentialAvailable, "there is no credential");
        return Ok(refused(&failure, "set WARP_API_KEY, or add one with `warp2api tokens add`"));
    }
    let refreshable = credentials.into_iter().filter(is_refreshable);
    let (keeper, admitted) = (&keeper, &admitted);
    let calls = refreshable.map(|credential| async move {
        let request = admitted.call(RefreshCredentialRequest { name: credential.name });
        keeper.pool.clone().refresh_credential(request).await.map(drop)
    });
    let results: Vec<_> = stream::iter(calls).buffered(AT_ONCE).collect().await;
    let (total, refreshed) = (results.len(), results.iter().filter(|result| result.is_ok()).count());
    if let Some(status) = results.into_iter().find_map(Result::err).filter(|_| refreshed == 0) {
        let failure = Failure::from(&status);
        return Ok(refused(&failure, "see GET /v1/credentials for what is wrong with them"));
    }
    let message = match total {
        0 => "no credential has an access token that runs out".to_owned(),
        total => format!("{refreshed} of {total} credentials have a new access token"),
    };
    let timestamp = Timestamp::from(SystemTime::now()).to_string();
    Ok(object(json!({ "success": true, "message": message, "timestamp": timestamp })))
}

/// Whether a credential lives on access tokens. What a person or the upstream switched off stays as it is.
fn is_refreshable(credential: &Credential) -> bool {
    let off = match credential.state() {
        CredentialState::Blocked => true,
        CredentialState::Disabled => credential.recovery_time.is_none(),
        _ => false,
    };
    credential.kind() == CredentialKind::RefreshToken && !off
}

fn refused(failure: &Failure, suggestion: &str) -> Response {
    if failure.reason == ErrorReason::Bug {
        return Refusal(failure.clone()).into_response();
    }
    let more = json!({ "success": false, "message": failure.message, "suggestion": suggestion });
    answer(failure, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(total_count: i32, active_count: i32, recovery: Option<i64>) -> Value {
        let soonest_recovery_time = recovery.map(|seconds| Timestamp { seconds, nanos: 0 });
        shown(&GetPoolStatusResponse {
            total_count,
            active_count,
            soonest_recovery_time,
            ..Default::default()
        })
    }

    #[test]
    fn the_pool_is_told_in_the_originals_words() {
        assert_eq!(
            status(3, 2, None),
            json!({ "authenticated": true, "token_present": true, "token_expired": false,
                    "message": "2 of 3 credentials can be used" })
        );
        let none = status(0, 0, None);
        assert_eq!((&none["authenticated"], &none["token_present"]), (&json!(false), &json!(false)));
        assert!(none["suggestion"].as_str().unwrap().contains("WARP_API_KEY"));
        let resting = status(1, 0, Some(1_754_006_400));
        assert_eq!(resting["token_expired"], true);
        assert_eq!(resting["suggestion"], "the first one comes back at 2025-08-01T00:00:00Z");
    }
}
