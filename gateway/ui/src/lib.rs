//! The status page: files built into the binary, served under `/ui`. It has no data of its own; the page reads the
//! native REST of the port it comes from, with the key its user gives it.
//!
//! Nothing is loaded from elsewhere, and the headers see to it: no script but ours runs, no other page frames this
//! one, no address is told to anybody.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// What the page cannot read from the contract.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSettings {
    /// Where chats run, as far as it is known at the start.
    pub upstream: String,
    /// The address of a trace, with `{trace_id}` in the place of its id. Empty for no links.
    pub trace_url: String,
}

/// The page at `/ui`, its files below.
pub fn router(settings: PageSettings) -> Router {
    Router::new()
        .route("/ui", get(page))
        // Its files are named relative to `/ui`.
        .route("/ui/", get(|| async { Redirect::permanent("../ui") }))
        .route("/ui/settings.json", get(settings_json))
        .route("/ui/{file}", get(file))
        .with_state(settings)
}

struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($name:literal: $content_type:expr),+ $(,)?) => {
        &[$(Asset { name: $name, content_type: $content_type, text: include_str!(concat!("../assets/", $name)) }),+]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: &[Asset] = assets! {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "main.js": SCRIPT,
    "charts.js": SCRIPT,
    "credentials.js": SCRIPT,
    "dom.js": SCRIPT,
    "exchanges.js": SCRIPT,
    "feed.js": SCRIPT,
    "model.js": SCRIPT,
    "wire.js": SCRIPT,
};

/// `'self'` and nothing else; styles by script are those of an element's own object, which no policy forbids.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'self'; \
     form-action 'none'; frame-ancestors 'none'";

const GUARDS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
];

async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

async fn settings_json(State(settings): State<PageSettings>) -> Response {
    (GUARDS, [(CACHE_CONTROL, "no-store")], axum::Json(settings)).into_response()
}

/// A file, or only that it has not changed. The browser asks each time: after an upgrade nobody sees half of each.
fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, GUARDS, "there is no such file of the page").into_response();
    };
    let etag = format!("\"{:x}\"", Sha256::digest(asset.text));
    let known = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes());
    let caching = [(CACHE_CONTROL, "no-cache"), (ETAG, etag.as_str())];
    if known {
        return (StatusCode::NOT_MODIFIED, GUARDS, caching).into_response();
    }
    (GUARDS, caching, [(CONTENT_TYPE, asset.content_type)], asset.text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(path: &str, tag: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let response =
            router(PageSettings::default()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (head.status, head.headers, text)
    }

    #[tokio::test]
    async fn every_file_the_page_names_is_there() {
        let (_, _, page) = get("/ui", None).await;
        for asset in ASSETS.iter().filter(|asset| asset.name != "index.html") {
            let (status, headers, text) = get(&format!("/ui/{}", asset.name), None).await;
            assert_eq!((status, text.as_str()), (StatusCode::OK, asset.text), "{}", asset.name);
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
        for named in ["ui/style.css", "ui/main.js"] {
            assert!(page.contains(named), "{named}");
        }
        let imported = ASSETS.iter().flat_map(|asset| {
            asset.text.lines().filter_map(|line| line.split(" from \"./").nth(1)?.strip_suffix("\";"))
        });
        for name in imported {
            assert!(ASSETS.iter().any(|asset| asset.name == name), "{name} is imported");
        }
    }

    #[tokio::test]
    async fn nothing_comes_from_elsewhere() {
        for asset in ASSETS {
            let text = asset.text.replace("http://www.w3.org/2000/svg", "");
            assert!(
                !text.contains("http://") && !text.contains("https://") && !text.contains("innerHTML"),
                "{}",
                asset.name
            );
        }
        let (_, headers, _) = get("/ui", None).await;
        assert!(headers[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
    }

    #[tokio::test]
    async fn a_file_that_is_known_is_not_sent_again() {
        let (_, headers, _) = get("/ui/main.js", None).await;
        let tag = headers[ETAG].to_str().unwrap().to_owned();

        assert_eq!(get("/ui/main.js", Some(&tag)).await.0, StatusCode::NOT_MODIFIED);
        assert_eq!(get("/ui/main.js", Some("\"old\"")).await.0, StatusCode::OK);
        assert_eq!(get("/ui/../secrets", None).await.0, StatusCode::NOT_FOUND);
    }
}
