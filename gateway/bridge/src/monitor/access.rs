//! Who may look: the admin key of a request, wherever a browser can put one, and the origin of the page it is from.

use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue, Uri};
use serde::Deserialize;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::{Failure, Guard};

use crate::original::failure::Refusal;

/// The methods whose callers may look.
const METHODS: [&str; 2] =
    ["/warp2api.warp_chat.v1.WarpChat/WatchExchanges", "/warp2api.token_pool.v1.TokenPool/WatchCredentials"];
/// The subprotocol of the socket.
pub(crate) const PROTOCOL: &str = "warp2api.v1";
/// Offered beside it, with the admin key in base64url: browsers set no other header.
const KEY_PROTOCOL: &str = "warp2api.key.";
/// The header in which the services expect an admin key.
pub(crate) const KEY_HEADER: &str = "x-admin-key";

/// Origins of pages that may connect although they are not ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

/// An origin that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin: write `https://host` or `https://host:port`, separated by commas")]
pub struct InvalidOrigin(String);

impl Origins {
    /// Reads origins separated by commas.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let written = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let read = written.map(|origin| {
            let trimmed = origin.trim_end_matches('/');
            normal(trimmed).ok_or_else(|| InvalidOrigin(origin.to_owned()))
        });
        Ok(Self(read.collect::<Result<_, _>>()?))
    }

    /// Whether a request with these headers is from no page, from one of ours, or from one that may.
    fn admit(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(ORIGIN).iter();
        let Some(origin) = given.next() else { return true };
        let Some(origin) = origin.to_str().ok().and_then(normal) else { return false };
        let named = uri.authority().map(http::uri::Authority::as_str);
        let host = named.or_else(|| headers.get(HOST)?.to_str().ok());
        // TLS may end before us, so the scheme is taken from the page.
        let scheme = origin.split_once("://").map_or("http", |(scheme, _)| scheme);
        let own = host.and_then(|host| normal(&format!("{scheme}://{host}")));
        given.next().is_none() && (own.as_ref() == Some(&origin) || self.0.contains(&origin))
    }
}

/// An origin in one way of writing it: lower case, with its port.
fn normal(origin: &str) -> Option<String> {
    let (scheme, authority) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let usual_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority: http::uri::Authority = authority.parse().ok()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        // A colon with something that is no port behind it.
        None if authority.as_str().len() > authority.host().len() => return None,
        None => usual_port,
    };
    Some(format!("{scheme}://{}:{port}", authority.host().to_ascii_lowercase()))
}

/// A key in the query.
#[derive(Debug, Deserialize)]
struct InQuery {
    key: Option<String>,
}

/// Whether a request may look, and the headers with its key where the services expect it.
///
/// # Errors
/// ADMIN_KEY_INVALID or ADMIN_NOT_ALLOWED, with the way out.
pub(crate) fn check(
    guard: &Guard,
    origins: &Origins,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<HeaderMap, Failure> {
    let mut headers = headers.clone();
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|offered| offered.to_str().ok());
    let in_protocol = offered.into_iter().flat_map(|offered| offered.split(',')).find_map(|protocol| {
        let key = URL_SAFE_NO_PAD.decode(protocol.trim().strip_prefix(KEY_PROTOCOL)?).ok()?;
        String::from_utf8(key).ok()
    });
    // Whatever else the query says wrongly is for later.
    let in_query = Query::<InQuery>::try_from_uri(uri).ok().and_then(|Query(query)| query.key);
    let in_query = in_query.filter(|key| !key.is_empty());
    let key = in_query.or(in_protocol).and_then(|key| HeaderValue::try_from(key).ok());
    if let Some(mut key) = key {
        key.set_sensitive(true);
        headers.entry(KEY_HEADER).or_insert(key);
    }
    for method in METHODS {
        guard.check(method, uri, &headers)?;
    }
    if !origins.admit(uri, &headers) {
        return Err(other_origin());
    }
    Ok(headers)
}

fn other_origin() -> Failure {
    let words = "pages of other origins may not connect: allow theirs with W2A_MONITOR_ORIGINS";
    Failure::new(ErrorReason::AdminNotAllowed, words)
}

/// Lets no page of another origin use a path, with or without a key: a browser would send its request for it.
pub(crate) async fn own_origin_only(
    State(origins): State<Origins>,
    request: Request,
    next: Next,
) -> Response {
    if origins.admit(request.uri(), request.headers()) {
        next.run(request).await
    } else {
        Refusal(other_origin()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use warp2api_rpc::admin_keys::AdminKeys;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn who_may_look_is_as_the_table_says() {
        let (loopback, network) = ("127.0.0.1:1", "0.0.0.0:1");
        let protocol = format!("{PROTOCOL}, {KEY_PROTOCOL}{}", URL_SAFE_NO_PAD.encode("k&y"));
        let protocol = protocol.as_str();
        let wrong = format!("{KEY_PROTOCOL}{}", URL_SAFE_NO_PAD.encode("x"));
        let here = ("host", "127.0.0.1:28888");
        let origin = |origin| ("origin", origin);
        for (keys, address, sent, query, may) in [
            // Without a key configured: this machine only, and no page but its own.
            ("", loopback, vec![here], None, true),
            ("", loopback, vec![here, origin("http://127.0.0.1:28888")], None, true),
            ("", loopback, vec![here, origin("http://localhost:3000")], None, false),
            ("", loopback, vec![here, origin("https://evil.example")], None, false),
            ("", loopback, vec![here, origin("null")], None, false),
            ("", loopback, vec![("host", "evil.example"), origin("http://evil.example")], None, false),
            ("", network, vec![here], None, false),
            ("", network, vec![here], Some("k%26y"), false),
            // With one.
            ("k&y", loopback, vec![here], None, false),
            ("k&y", network, vec![], None, false),
            ("k&y", network, vec![], Some("k%26y"), true),
            ("k&y", network, vec![], Some("k"), false),
            ("k&y", network, vec![], Some("%0A"), false),
            ("k&y", network, vec![("x-admin-key", "k&y")], None, true),
            ("k&y", network, vec![("authorization", "Bearer k&y")], None, true),
            ("k&y", network, vec![("sec-websocket-protocol", protocol)], None, true),
            ("k&y", network, vec![("sec-websocket-protocol", &wrong)], None, false),
            ("k&y", network, vec![("host", "a.example"), origin("https://a.example")], Some("k%26y"), true),
            (
                "k&y",
                network,
                vec![("host", "a.example:443"), origin("https://A.example")],
                Some("k%26y"),
                true,
            ),
            (
                "k&y",
                network,
                vec![("host", "a.example:81"), origin("http://a.example")],
                Some("k%26y"),
                false,
            ),
            ("k&y", network, vec![("host", "a.example"), origin("https://b.example")], Some("k%26y"), false),
            ("k&y", network, vec![("host", "a.example"), origin("https://ok.example")], Some("k%26y"), true),
            ("k&y", network, vec![("host", "a"), origin("http://ok.example")], Some("k%26y"), false),
            (
                "k&y",
                network,
                vec![("host", "a"), origin("http://a"), origin("https://b.example")],
                Some("k%26y"),
                false,
            ),
            ("k&y", network, vec![("host", "a.example"), origin("https://ok.example")], None, false),
        ] {
            let guard = Guard::new(AdminKeys::parse(keys), &address.parse().unwrap());
            let origins = Origins::parse("https://ok.example/").unwrap();

            let uri = format!("/ws?state=x&key={}", query.unwrap_or_default()).parse().unwrap();
            let checked = check(&guard, &origins, &uri, &headers(&sent));

            assert_eq!(checked.is_ok(), may, "{keys} {address} {sent:?} {query:?}");
            if let Err(failure) = checked {
                assert!(failure.message.contains("W2A_"), "{failure}");
                assert!(!failure.message.contains("k&y"), "{failure}");
            }
        }
    }

    #[test]
    fn origins_are_read_or_refused() {
        for good in ["", " https://a.example , http://b:81/,", "http://[::1]:3000"] {
            assert!(Origins::parse(good).is_ok(), "{good}");
        }
        for bad in ["*", "a.example", "ftp://a", "https://", "https://a:b", "https://u@a", "https://a/path"] {
            assert!(Origins::parse(bad).is_err(), "{bad}");
        }
    }
}
