//! Pages of other origins that may use the edge from a browser: those on a list, and no other. Who may do what is for
//! the keys to say; this only has the browser let the page send and read.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use crate::router::Edge;

/// The origins of pages that may use the edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    listed: Vec<HeaderValue>,
}

/// What is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no origin: write `https://app.example` without a path, several separated by commas, or `*`"
)]
pub struct InvalidOrigin(String);

impl std::str::FromStr for Origins {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let mut origins = Self::default();
        for written in text.split(',').map(str::trim).filter(|written| !written.is_empty()) {
            if written == "*" {
                origins.any = true;
                continue;
            }
            let invalid = || InvalidOrigin(written.to_owned());
            let uri: Uri = written.parse().map_err(|_| invalid())?;
            let whole = uri.scheme_str().is_some() && uri.host().is_some_and(|host| !host.is_empty());
            if !whole || written.ends_with('/') || uri.path() != "/" || uri.query().is_some() {
                return Err(invalid());
            }
            let lower = written.to_ascii_lowercase();
            origins.listed.push(HeaderValue::try_from(lower).map_err(|_| invalid())?);
        }
        Ok(origins)
    }
}

impl Origins {
    /// Whether the page that a request is sent for is one of them.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        headers.get(ORIGIN).is_some_and(|origin| self.any || self.listed.contains(origin))
    }
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// What pages may read besides the few headers that every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, request-id, traceparent, retry-after, retry-after-ms, x-should-retry, x-warp2api-upstream, x-warp2api-ignored, \
     x-warp2api-conversation, x-warp2api-resumed, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, \
     x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, \
     anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining, anthropic-ratelimit-requests-reset, \
     anthropic-ratelimit-tokens-limit, anthropic-ratelimit-tokens-remaining, anthropic-ratelimit-tokens-reset",
);

/// Answers a browser's question beforehand, and lets it show a page the answers that it asked for.
pub(crate) async fn answer_browsers(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let origins = &edge.config().origins;
    if *origins == Origins::default() {
        return next.run(request).await;
    }
    let origin = request.headers().get(ORIGIN).filter(|_| origins.allow(request.headers())).cloned();
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, asks) {
        (Some(_), true) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            // SDKs send headers of their own; none of them opens anything.
            if let Some(wanted) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            }
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
            response
        }
        _ => next.run(request).await,
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use warp2api_dialects::ErrorStyle;

    use super::super::told::{Rate, Rates};
    use super::*;

    fn allows(list: &str, origin: &str) -> bool {
        let origins: Origins = list.parse().unwrap();
        origins.allow(&HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())]))
    }

    #[test]
    fn only_origins_on_the_list_are_allowed() {
        let list = "https://App.example, http://localhost:5173";
        for (list, origin, allowed) in [
            (list, "https://app.example", true),
            (list, "http://localhost:5173", true),
            (list, "http://app.example", false),
            (list, "https://app.example:444", false),
            (list, "https://app.example.evil.example", false),
            (list, "null", false),
            ("*", "https://any.example", true),
            ("", "https://app.example", false),
        ] {
            assert_eq!(allows(list, origin), allowed, "{list}: {origin}");
        }
        assert!(!"*".parse::<Origins>().unwrap().allow(&HeaderMap::new()), "a program");
    }

    #[test]
    fn pages_may_read_how_a_key_stands_in_either_apis_words() {
        let rate = Some(Rate { limit: 1, remaining: 1, reset: Duration::ZERO });
        let mut told = HeaderMap::new();
        for style in [ErrorStyle::OpenAi, ErrorStyle::Anthropic] {
            Rates { requests: rate, tokens: rate }.write(style, SystemTime::UNIX_EPOCH, &mut told);
        }
        let exposed = EXPOSED;
        let exposed: Vec<_> = exposed.to_str().unwrap().split(", ").collect();

        assert_eq!(told.len(), 12);
        for name in told.keys() {
            assert!(exposed.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for wrong in ["app.example", "https://", "https://a.example/", "https://a.example/x", "null"] {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong}");
        }
    }
}
