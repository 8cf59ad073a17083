//! An upstream's accounts, as a pool can ask about them: GraphQL and the sign-in of guests, by script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::json;
use tokio::time::sleep;
use warp2api_rpc::http_endpoint;
use warp2api_token_pool::account::Client;
use warp2api_token_pool::{AccountApi, Accounts, Pool, TokenPoolService};

/// The accounts. Clones are the same ones.
#[derive(Clone, Default)]
pub(crate) struct Upstream(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    asked: Vec<String>,
    bearers: Vec<String>,
    sign_ins: usize,
    used: u64,
    delay: Duration,
    refresh: Option<&'static str>,
    /// What is answered instead, once each.
    refusals: Vec<(u16, String)>,
    under_way: usize,
    most_at_once: usize,
}

impl Upstream {
    /// The operations that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    /// The bearers of the questions so far.
    pub(crate) fn bearers(&self) -> Vec<String> {
        self.0.lock().unwrap().bearers.clone()
    }

    /// How many guests have signed in.
    pub(crate) fn sign_ins(&self) -> usize {
        self.0.lock().unwrap().sign_ins
    }

    /// The most questions that were under way at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.0.lock().unwrap().most_at_once
    }

    /// Accounts have used so many of 100 credits, which come back at that time.
    pub(crate) fn uses(&self, used: u64, refresh: Option<&'static str>) {
        let mut script = self.0.lock().unwrap();
        (script.used, script.refresh) = (used, refresh);
    }

    /// Each answer takes that long.
    pub(crate) fn takes(&self, delay: Duration) {
        self.0.lock().unwrap().delay = delay;
    }

    /// The next answer is this one.
    pub(crate) fn refuses(&self, status: u16, body: impl Into<String>) {
        self.0.lock().unwrap().refusals.push((status, body.into()));
    }

    /// The way to ask about the accounts of a pool.
    pub(crate) fn accounts(&self, pool: &Pool) -> Accounts {
        let (graphql, sign_in) = (self.clone(), self.clone());
        let router = Router::new()
            .route("/graphql/v2", post(async move |query, headers| graphql.answer(query, headers).await))
            .route("/v1/sign-in", post(async move || sign_in.sign_in().await));
        let api = AccountApi {
            endpoint: http_endpoint::local(router),
            graphql_url: "https://upstream.test/graphql/v2".to_owned(),
            sign_in_url: "https://identity.test/v1/sign-in?key=planted-key".to_owned(),
            headers: Vec::new(),
            client: Client::default(),
            timeout: Duration::from_secs(15),
        };
        Accounts::new(pool.clone(), api)
    }

    /// The service of a pool with these accounts.
    pub(crate) fn service(&self, pool: &Pool) -> TokenPoolService {
        TokenPoolService::with_accounts(self.accounts(pool))
    }

    async fn answer(&self, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
        let operation = query.unwrap_or_default().trim_start_matches("op=").to_owned();
        let (delay, refusal) = {
            let mut script = self.0.lock().unwrap();
            script.asked.push(operation.clone());
            let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
            script.bearers.extend(bearer.map(|text| text.trim_start_matches("Bearer ").to_owned()));
            script.under_way += 1;
            script.most_at_once = script.most_at_once.max(script.under_way);
            (script.delay, script.refusals.pop())
        };
        sleep(delay).await;
        let mut script = self.0.lock().unwrap();
        script.under_way -= 1;
        if let Some((status, body)) = refusal {
            return (StatusCode::from_u16(status).unwrap(), body).into_response();
        }
        let data = match operation.as_str() {
            "CreateAnonymousUser" => json!({"createAnonymousUser": {
                "__typename": "CreateAnonymousUserOutput", "idToken": "planted-custom-token",
            }}),
            _ => json!({"user": {"__typename": "UserOutput", "user": {
                "requestLimitInfo": {
                    "isUnlimited": false,
                    "requestLimit": 100,
                    "requestsUsedSinceLastRefresh": script.used,
                    "nextRefreshTime": script.refresh,
                },
            }}}),
        };
        json!({ "data": data }).to_string().into_response()
    }

    async fn sign_in(&self) -> Response {
        let (delay, number) = {
            let mut script = self.0.lock().unwrap();
            script.sign_ins += 1;
            (script.delay, script.sign_ins)
        };
        sleep(delay).await;
        json!({ "refreshToken": format!("planted-guest-{number}") }).to_string().into_response()
    }
}
