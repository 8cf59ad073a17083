//! `/openapi.json` and the page at `/docs` that shows it to people. Everything the page needs is in the program; it
//! loads nothing from elsewhere and may not be framed.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};

use warp2api_rpc::request_id;

use crate::openapi::Document;

const HTML: &str = include_str!("pages/docs.html");
const SCRIPT: &str = include_str!("pages/docs.js");
const STYLE: &str = include_str!("pages/docs.css");
/// What the page may load, and who may frame it: its own port, and nobody.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document and its page.
pub fn pages(document: Document) -> Router {
    let written: Arc<Written> = Arc::new(Written { document, json: OnceLock::new() });
    Router::new()
        .route("/openapi.json", get(json))
        .route("/docs", get(|| async { page(HTML, "text/html; charset=utf-8") }))
        .route("/docs/docs.js", get(|| async { page(SCRIPT, "text/javascript; charset=utf-8") }))
        .route("/docs/docs.css", get(|| async { page(STYLE, "text/css; charset=utf-8") }))
        .with_state(written)
        .layer(middleware::from_fn(request_id::settle))
}

/// The document, and its text once somebody has asked for it.
struct Written {
    document: Document,
    json: OnceLock<Bytes>,
}

async fn json(State(written): State<Arc<Written>>) -> Response {
    let json = written.json.get_or_init(|| written.document.json().to_string().into());
    answer(json.clone(), "application/json")
}

fn page(text: &'static str, content_type: &'static str) -> Response {
    answer(Bytes::from_static(text.as_bytes()), content_type)
}

fn answer(body: Bytes, content_type: &'static str) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    let mut response = body.into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn fetch(path: &str) -> (u16, http::HeaderMap, String) {
        let document = Document { edge: true, version: "1.2.3", ..Document::default() };
        let request = Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
        let (head, body) = pages(document).oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_page_and_what_it_loads_are_here() {
        let (status, headers, page) = fetch("/docs").await;
        assert_eq!(status, 200);
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        for attribute in ["src=\"", "href=\""] {
            for place in page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                if !place.starts_with('#') {
                    assert_eq!(fetch(place).await.0, 200, "{place}");
                }
            }
        }
        for text in [HTML, SCRIPT, STYLE] {
            assert!(!text.contains("http://") && !text.contains("https://"), "nothing comes from elsewhere");
        }
    }

    #[tokio::test]
    async fn the_document_is_json() {
        let (status, headers, document) = fetch("/openapi.json").await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/json"));
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!((&document["openapi"], &document["info"]["version"]), (&"3.1.0".into(), &"1.2.3".into()));
    }
}
