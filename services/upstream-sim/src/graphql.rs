//! The GraphQL endpoint: the few operations a client needs, with the same data each time. The query's text is not
//! looked at; the operation's name decides.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use crate::exchange::plain;
use crate::fingerprint::Fingerprint;
use crate::form;
use crate::http_io::{has_content_type, read_body, respond, take_bearer};
use crate::record::{Endpoint, Received};
use crate::scenario::Refusal;
use crate::simulator::Simulator;

mod models;

/// What the quota queries say of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Credits for each period.
    pub limit: u32,
    /// Credits used in this period.
    pub used: u32,
    /// Whether the limit does not count.
    pub unlimited: bool,
    /// How long until the period ends.
    pub refreshes_in: std::time::Duration,
}

impl Default for Quota {
    /// A fresh account with 150 credits a month.
    fn default() -> Self {
        Self {
            limit: 150,
            used: 0,
            unlimited: false,
            refreshes_in: std::time::Duration::from_secs(7 * 86_400),
        }
    }
}

impl Quota {
    /// An account that has used up everything.
    pub fn used_up() -> Self {
        let fresh = Self::default();
        Self { used: fresh.limit, ..fresh }
    }

    const fn is_available(&self) -> bool {
        self.unlimited || self.used < self.limit
    }
}

/// `POST /graphql/v2?op=`.
pub(crate) async fn graphql(State(simulator): State<Simulator>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let bearer = take_bearer(&mut parts.headers);
    let body = match read_body(body, simulator.config().body_limit).await {
        Ok(body) => body,
        Err(refusal) => return plain(&refusal),
    };
    let call: Option<Value> = serde_json::from_slice(&body).ok();
    let operation = operation(parts.uri.query(), call.as_ref());
    let is_json = has_content_type(&parts.headers, "application/json");
    let mut received = Received::new(Endpoint::GraphQl(operation.clone()), parts.headers);
    received.bearer = bearer;
    received.body = body;

    let answer = match simulator.next_graphql() {
        Some(refusal) => refusal,
        None if !is_json || call.is_none() => Refusal::new(400, "expected a JSON body"),
        None => answer(&simulator, &operation, bearer),
    };
    received.status = Some(answer.status.as_u16());
    let running = simulator.record().add(received);
    respond(&answer, running)
}

/// The name in the query string, else the one in the body.
fn operation(query: Option<&str>, call: Option<&Value>) -> String {
    let fields = query.and_then(|query| form::parse(query.as_bytes())).unwrap_or_default();
    let named = fields.into_iter().find(|(name, _)| name == "op").map(|(_, value)| value);
    named.unwrap_or_else(|| {
        call.and_then(|call| call.get("operationName")?.as_str()).unwrap_or_default().to_owned()
    })
}

fn answer(simulator: &Simulator, operation: &str, bearer: Option<Fingerprint>) -> Refusal {
    let data = match operation {
        "FreeAvailableModels" => json!({"freeAvailableModels": {
            "__typename": "FreeAvailableModelsOutput",
            "featureModelChoice": models::choices(),
        }}),
        "CreateAnonymousUser" => json!({"createAnonymousUser": {
            "__typename": "CreateAnonymousUserOutput",
            "anonymousUserType": "NATIVE_CLIENT_ANONYMOUS_USER_FEATURE_GATED",
            "expiresAt": null,
            "firebaseUid": "embedded-guest",
            "idToken": simulator.create_user(),
            "isInviteValid": true,
            "responseContext": response_context(),
        }}),
        _ => match simulator.check_bearer(bearer) {
            Err(error) => return Refusal::unauthorized(&error.to_string()),
            Ok(bearer) => match user_data(simulator, operation, &bearer) {
                Some(data) => data,
                None => {
                    let message = format!("Unknown operation: {operation}");
                    return Refusal::json(200, &json!({"errors": [{"message": message}]}));
                }
            },
        },
    };
    Refusal::json(StatusCode::OK.as_u16(), &json!({ "data": data }))
}

/// The data of the operations that ask for the user. None for other operations.
fn user_data(simulator: &Simulator, operation: &str, bearer: &Fingerprint) -> Option<Value> {
    let quota = simulator.quota(bearer);
    let user = match operation {
        "GetUser" => json!({
            "profile": {
                "uid": bearer.to_string(),
                "email": format!("{bearer}@embedded.invalid"),
                "displayName": "Embedded Upstream",
                "photoUrl": null,
            },
            "anonymousUserInfo": null,
            "experiments": [],
            "isOnboarded": true,
            "llms": models::choices(),
        }),
        "GetFeatureModelChoices" => json!({
            "workspaces": [{"uid": "embedded", "featureModelChoice": models::choices()}],
        }),
        "GetRequestLimitInfo" => json!({
            "requestLimitInfo": {
                "isUnlimited": quota.unlimited,
                "requestLimit": quota.limit,
                "requestsUsedSinceLastRefresh": quota.used,
                "nextRefreshTime": rfc3339(simulator.now() + quota.refreshes_in),
                "requestLimitRefreshDuration": "MONTHLY",
                "isUnlimitedVoice": false,
                "voiceRequestLimit": 0,
                "voiceRequestsUsedSinceLastRefresh": 0,
            },
            "bonusGrants": [],
            "workspaces": [{"uid": "embedded", "bonusGrantsInfo": {"grants": []}}],
        }),
        "GetAICreditAvailability" => json!({"aiCreditAvailability": {
            "available": quota.is_available(),
            "denialReason": if quota.is_available() { "NONE" } else { "OUT_OF_CREDITS" },
            "creditSource": "BASE_LIMIT",
        }}),
        _ => return None,
    };
    Some(json!({"user": {
        "__typename": "UserOutput",
        "apiKeyOwnerType": "User",
        "principalType": "USER",
        "user": user,
        "responseContext": response_context(),
    }}))
}

fn response_context() -> Value {
    json!({"serverVersion": "embedded"})
}

fn rfc3339(since_epoch: std::time::Duration) -> String {
    prost_types::Timestamp { seconds: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX), nanos: 0 }
        .to_string()
}
