//! The token endpoints: a refresh token for a bearer, a custom token for both.
//!
//! `POST /proxy/token?key=` and `POST /proxy/customToken?key=` with a form, as Google's own endpoints take it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use crate::credentials::Rotation;
use crate::fingerprint::Fingerprint;
use crate::form;
use crate::http_io::{read_body, respond};
use crate::record::{Endpoint, Received};
use crate::scenario::Refusal;
use crate::simulator::Simulator;

/// One scripted answer of the exchange of a refresh token.
#[derive(Debug, Clone, Default)]
pub struct ExchangeScenario {
    delay: Duration,
    outcome: Outcome,
    lifetime: Option<Duration>,
    rotation: Option<Rotation>,
    access_token_only: bool,
}

#[derive(Debug, Clone, Default)]
enum Outcome {
    #[default]
    Usual,
    Refuse(Refusal),
    Stall,
}

impl ExchangeScenario {
    /// What the simulator answers without a script.
    pub fn usual() -> Self {
        Self::default()
    }

    /// An error with this code, such as `TOKEN_EXPIRED` or `USER_DISABLED`, and status 400.
    pub fn error(code: &str) -> Self {
        Self::refuse(error(StatusCode::BAD_REQUEST, code))
    }

    /// Another answer.
    pub fn refuse(refusal: Refusal) -> Self {
        Self { outcome: Outcome::Refuse(refusal), ..Self::default() }
    }

    /// No answer, ever.
    pub fn stall() -> Self {
        Self { outcome: Outcome::Stall, ..Self::default() }
    }

    /// Waits before the answer.
    #[must_use]
    pub const fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Gives a bearer of this lifetime.
    #[must_use]
    pub const fn lasting(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Treats the refresh token in this way.
    #[must_use]
    pub const fn rotating(mut self, rotation: Rotation) -> Self {
        self.rotation = Some(rotation);
        self
    }

    /// Leaves out `id_token`; the bearer is in `access_token` alone.
    #[must_use]
    pub const fn with_access_token_only(mut self) -> Self {
        self.access_token_only = true;
        self
    }
}

/// `POST /proxy/token`.
pub(crate) async fn exchange(State(simulator): State<Simulator>, request: Request) -> Response {
    let form = match TokenForm::read(&simulator, request).await {
        Ok(form) => form,
        Err(refusal) => return plain(&refusal),
    };
    let mut received = form.received;
    let token = match form.checked.and_then(|fields| refresh_token(&fields)) {
        Ok(token) => token,
        Err(refusal) => return record_and_respond(&simulator, received, refusal),
    };
    let scenario = simulator.next_exchange(&Fingerprint::of(&token));
    let refusal = match scenario.outcome {
        Outcome::Stall => {
            let _running = simulator.record().add(received);
            return std::future::pending().await;
        }
        Outcome::Refuse(refusal) => Some(refusal),
        Outcome::Usual => None,
    };
    // What a delayed exchange will answer is decided when it arrives.
    let issued = match refusal {
        Some(refusal) => Err(refusal),
        None => simulator.exchange(&token, scenario.lifetime, scenario.rotation),
    };
    received.status = Some(issued.as_ref().map_or_else(|refusal| refusal.status.as_u16(), |_| 200));
    let running = simulator.record().add(received);
    if !scenario.delay.is_zero() {
        tokio::time::sleep(scenario.delay).await;
    }
    match issued {
        Err(refusal) => respond(&refusal, running),
        Ok(issued) => {
            let mut reply = json!({
                "access_token": issued.id_token,
                "expires_in": issued.lifetime.as_secs().to_string(),
                "token_type": "Bearer",
                "refresh_token": issued.refresh_token,
                "id_token": issued.id_token,
                "user_id": issued.user_id,
                "project_id": "0",
            });
            if scenario.access_token_only
                && let Some(reply) = reply.as_object_mut()
            {
                reply.remove("id_token");
            }
            respond(&Refusal::json(200, &reply), running)
        }
    }
}

/// `POST /proxy/customToken`.
pub(crate) async fn sign_in(State(simulator): State<Simulator>, request: Request) -> Response {
    let form = match TokenForm::read(&simulator, request).await {
        Ok(form) => form,
        Err(refusal) => return plain(&refusal),
    };
    let issued = form.checked.and_then(|fields| {
        let token = field(&fields, "token").unwrap_or_default();
        simulator.sign_in(token).ok_or_else(|| error(StatusCode::BAD_REQUEST, "INVALID_CUSTOM_TOKEN"))
    });
    let answer = issued.map_or_else(
        |refusal| refusal,
        |issued| {
            let reply = json!({
                "idToken": issued.id_token,
                "refreshToken": issued.refresh_token,
                "expiresIn": issued.lifetime.as_secs().to_string(),
                "isNewUser": true,
            });
            Refusal::json(200, &reply)
        },
    );
    record_and_respond(&simulator, form.received, answer)
}

struct TokenForm {
    received: Received,
    checked: Result<Vec<(String, String)>, Refusal>,
}

impl TokenForm {
    async fn read(simulator: &Simulator, request: Request) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let has_key = parts
            .uri
            .query()
            .and_then(|query| form::parse(query.as_bytes()))
            .is_some_and(|query| field(&query, "key").is_some_and(|key| !key.is_empty()));
        let is_form = parts
            .headers
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        let body = read_body(body, simulator.config().body_limit).await?;
        let mut received = Received::new(Endpoint::Exchange, parts.headers);
        let checked = if !has_key {
            Err(error(StatusCode::BAD_REQUEST, "API key not valid. Please pass a valid API key."))
        } else if !is_form {
            Err(error(StatusCode::BAD_REQUEST, "INVALID_CONTENT_TYPE"))
        } else {
            form::parse(&body).ok_or_else(|| error(StatusCode::BAD_REQUEST, "INVALID_FORM"))
        };
        if let Ok(fields) = &checked {
            received.form =
                fields.iter().map(|(name, value)| (name.clone(), redacted(name, value))).collect();
        }
        Ok(Self { received, checked })
    }
}

fn refresh_token(fields: &[(String, String)]) -> Result<String, Refusal> {
    if field(fields, "grant_type") != Some("refresh_token") {
        return Err(error(StatusCode::BAD_REQUEST, "INVALID_GRANT_TYPE"));
    }
    match field(fields, "refresh_token") {
        None | Some("") => Err(error(StatusCode::BAD_REQUEST, "MISSING_REFRESH_TOKEN")),
        Some(token) => Ok(token.to_owned()),
    }
}

/// An error as Google writes it.
pub(crate) fn error(status: StatusCode, code: &str) -> Refusal {
    let error: Value =
        json!({"error": {"code": status.as_u16(), "message": code, "status": "INVALID_ARGUMENT"}});
    Refusal::json(status.as_u16(), &error)
}

fn redacted(name: &str, value: &str) -> String {
    if name.contains("token") && name != "returnSecureToken" {
        Fingerprint::of(value).to_string()
    } else {
        value.to_owned()
    }
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

fn record_and_respond(simulator: &Simulator, mut received: Received, answer: Refusal) -> Response {
    received.status = Some(answer.status.as_u16());
    respond(&answer, simulator.record().add(received))
}

/// An answer to a request that could not even be read.
pub(crate) fn plain(refusal: &Refusal) -> Response {
    let mut response = Response::new(Body::from(refusal.body.clone()));
    *response.status_mut() = refusal.status;
    response
}
