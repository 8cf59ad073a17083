//! Lets a request in, or not, before its body is looked at.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use warp2api_dialects::error::Problem;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::origin::is_foreign_page;

use super::doors::Permit;
use super::keys::{ApiKey, Denied, KeyLimits, Scope, has_key};
use crate::failure::Refusal;
use crate::router::Edge;
use crate::routes::errors_at;

/// What a route asks of its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A key that may chat, and room for a turn.
    Turn,
    /// A key that may chat.
    Chat,
    /// A key that may see models.
    Models,
}

/// Who was let in. An extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// What is kept is kept for this one.
    pub(crate) owner: Arc<str>,
    /// The leave to run a turn, where one was needed.
    pub(crate) permit: Option<Arc<Permit>>,
}

/// Whose everything is where no key is needed.
const EVERYBODY: &str = "open";

/// Stands before a route.
pub(crate) async fn admit(
    State((edge, need)): State<(Edge, Need)>,
    mut request: Request,
    next: Next,
) -> Response {
    let style = errors_at(request.uri().path(), request.headers());
    let Known { owner, name, limits } = match known(&edge, need, &request) {
        Ok(known) => known,
        Err(problem) => return Refusal(problem, style).into_response(),
    };
    let limits = limits.or(edge.config().limits.each_key);
    let entered = match need {
        Need::Turn => edge.doors().enter(&owner, limits, &edge.config().limits).await.map(Some),
        Need::Chat | Need::Models => Ok(None),
    };
    let mut response = match entered {
        Ok(permit) => {
            permit.iter().for_each(|permit| permit.runs(&name));
            request.extensions_mut().insert(Client { owner: owner.clone(), permit });
            next.run(request).await
        }
        Err(problem) => Refusal(problem, style).into_response(),
    };
    if limits != KeyLimits::default() {
        edge.doors().rates(&owner, limits).write(style, SystemTime::now(), response.headers_mut());
    }
    response
}

/// Whose request it is.
struct Known {
    owner: Arc<str>,
    /// What the key is called.
    name: String,
    /// What the key may do that says so itself.
    limits: KeyLimits,
}

fn known(edge: &Edge, need: Need, request: &Request) -> Result<Known, Problem> {
    let (config, headers) = (edge.config(), request.headers());
    if config.is_open() {
        if is_foreign_page(headers) && !config.origins.allow(headers) {
            // Whoever can reach an open edge may use it; a browser reaches it for any page that its user looks at.
            let words = "no API key is set, so pages from elsewhere are not answered; set API_TOKEN and send a key, \
                         or name the page in W2A_CORS_ORIGINS";
            return Err(Problem::new(ErrorReason::ApiKeyInvalid, words));
        }
        let (owner, name) = (EVERYBODY.into(), EVERYBODY.to_owned());
        return Ok(Known { owner, name, limits: KeyLimits::default() });
    }
    let scope = match need {
        Need::Turn | Need::Chat => Scope::Chat,
        Need::Models => Scope::Models,
    };
    let kept = config.kept_keys.current();
    let found = [config.api_keys.find(headers), kept.find(headers)].into_iter().flatten().next();
    let allowed = match found {
        Some(key) => key.allows(scope, unix_seconds()).map(|()| of(key)),
        None if has_key(headers) => Err(Denied::Unknown),
        None => Err(Denied::Missing),
    };
    allowed.map_err(|denied| {
        let reason = match denied {
            Denied::OtherScope => ErrorReason::ApiKeyNotAllowed,
            Denied::Missing | Denied::Unknown | Denied::Revoked | Denied::Expired => {
                ErrorReason::ApiKeyInvalid
            }
        };
        Problem::new(reason, denied.words())
    })
}

fn of(key: &ApiKey) -> Known {
    Known { owner: key.owner.as_str().into(), name: key.name.clone(), limits: key.limits }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
