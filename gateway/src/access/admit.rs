//! Lets a request in, or not, before its body is looked at.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use warp2api_dialects::error::Problem;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::origin::{is_foreign_page, is_named_here_or_by_a_container, is_passed_on};

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
    /// A key that may chat, and a request of those it has in a minute: it costs some work, and nothing of the upstream's.
    Work,
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
        Need::Work => edge.doors().count(&owner, limits).map(|()| None),
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
        let of_a_page = is_foreign_page(headers) && !config.origins.allow(headers);
        let stranger = if of_a_page { Some(Stranger::Page) } else { None };
        let stranger = stranger.or_else(|| {
            config.this_machine_only.then(|| Stranger::at_loopback(request.uri(), headers)).flatten()
        });
        if let Some(stranger) = stranger {
            return Err(stranger.problem());
        }
        let (owner, name) = (EVERYBODY.into(), EVERYBODY.to_owned());
        return Ok(Known { owner, name, limits: KeyLimits::default() });
    }
    let scope = match need {
        Need::Turn | Need::Work | Need::Chat => Scope::Chat,
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

/// Who is not meant where no key is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    /// Whoever can reach an open edge may use it; a browser reaches it for any page that its user looks at.
    Page,
    /// And for a page under a name that was made to point here: the browser takes the edge for the page's own server,
    /// and names no origin.
    Name,
    /// A proxy on the machine reaches it for others.
    Proxy,
}

impl Stranger {
    /// Whether a request to an edge that only this machine reaches is for somebody else.
    fn at_loopback(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        if !is_named_here_or_by_a_container(uri, headers) {
            return Some(Self::Name);
        }
        is_passed_on(headers).then_some(Self::Proxy)
    }

    fn problem(self) -> Problem {
        let (reason, words) = match self {
            Self::Page => (
                ErrorReason::ApiKeyInvalid,
                "no API key is set, so pages from elsewhere are not answered; set API_TOKEN and send a key, or name \
                 the page in W2A_CORS_ORIGINS",
            ),
            Self::Name => (
                ErrorReason::ApiKeyNotAllowed,
                "no API key is set, so only this machine is answered, under names of its own: call 127.0.0.1 or \
                 localhost; behind a proxy set API_TOKEN and send a key",
            ),
            Self::Proxy => (
                ErrorReason::ApiKeyNotAllowed,
                "no API key is set, so only this machine is answered, and others can reach it through the proxy that \
                 passed this on: set API_TOKEN and send a key",
            ),
        };
        Problem::new(reason, words)
    }
}

fn of(key: &ApiKey) -> Known {
    Known { owner: key.owner.as_str().into(), name: key.name.clone(), limits: key.limits }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_of_this_machine_is_for_requests_that_say_so() {
        for (uri, sent, expected) in [
            ("/v1/models", &[("host", "127.0.0.1:28889")][..], None),
            ("/v1/models", &[("host", "localhost:28889")], None),
            ("/v1/models", &[("host", "[::1]:28889")], None),
            ("/v1/models", &[("host", "host.docker.internal:28889")], None),
            ("/v1/models", &[], None),
            ("http://127.0.0.1:28889/v1/models", &[], None),
            ("/v1/models", &[("host", "evil.example:28889")], Some(Stranger::Name)),
            ("http://evil.example/v1/models", &[], Some(Stranger::Name)),
            ("http://127.0.0.1/v1/models", &[("host", "evil.example")], Some(Stranger::Name)),
            ("/v1/models", &[("host", "127.0.0.1"), ("x-forwarded-for", "10.0.0.5")], Some(Stranger::Proxy)),
            ("/v1/models", &[("host", "127.0.0.1"), ("x-real-ip", "10.0.0.5")], Some(Stranger::Proxy)),
            ("/v1/models", &[("host", "127.0.0.1"), ("forwarded", "for=_a")], Some(Stranger::Proxy)),
        ] {
            let headers = sent
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
                .collect::<HeaderMap>();

            assert_eq!(Stranger::at_loopback(&uri.parse().unwrap(), &headers), expected, "{uri} {sent:?}");
        }
    }

    #[test]
    fn strangers_are_told_the_way_in() {
        for (stranger, status) in [(Stranger::Page, 401), (Stranger::Name, 403), (Stranger::Proxy, 403)] {
            let problem = stranger.problem();
            assert_eq!(problem.status(warp2api_dialects::ErrorStyle::OpenAi), status);
            assert!(problem.message.contains("API_TOKEN"), "{problem:?}");
        }
    }
}
