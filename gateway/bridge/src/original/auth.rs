//! `/api/auth/status`: whether chats have a credential, by `TokenPool`. It is for those who run the house, and shows no
//! part of a token.

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{GetPoolStatusRequest, GetPoolStatusResponse};
use warp2api_rpc::{Failure, GrpcEndpoint, Guard};

use super::caller::Admitted;
use super::codec::object;
use super::failure::Refusal;
use crate::Services;

const STATUS: &str = "/warp2api.token_pool.v1.TokenPool/GetPoolStatus";

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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(total_count: i32, active_count: i32, recovery: Option<i64>) -> Value {
        let soonest_recovery_time = recovery.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 });
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
