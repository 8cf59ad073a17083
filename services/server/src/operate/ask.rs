//! Asks a house over HTTP.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Version};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use warp2api_rpc::HttpEndpoint;
use warp2api_rpc::http_endpoint::HttpBody;

/// The most that is read of an answer.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    /// When pieces of the body came, from the sending on.
    pub(super) pieces: Vec<Duration>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// What went wrong, in the words of the house.
    pub(super) fn trouble(&self) -> String {
        let body = self.json();
        let words = body["error"]["message"].as_str().or_else(|| body["message"].as_str());
        match words {
            Some(words) => format!("{}: {words}", self.status),
            None => format!("status {}", self.status),
        }
    }
}

/// Sends a request and reads the answer within `patience`.
pub(super) async fn ask(
    client: &HttpEndpoint,
    method: Method,
    url: &str,
    key: Option<(&'static str, &str)>,
    body: Option<&Value>,
    patience: Duration,
) -> Result<Answer, String> {
    let mut request = Request::builder().method(method).uri(url).header("user-agent", "warp2api");
    if let Some((name, key)) = key {
        let value = if name == AUTHORIZATION.as_str() { format!("Bearer {key}") } else { key.to_owned() };
        request = request.header(name, value);
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let request = request.body(body).map_err(|error| error.to_string())?;
    let sent = Instant::now();
    let asked = async {
        let response = client.clone().oneshot(request).await.map_err(|error| chain(&error))?;
        let (head, body) = response.into_parts();
        let (text, pieces) = read(body, sent).await?;
        Ok(Answer {
            status: head.status.as_u16(),
            version: head.version,
            headers: head.headers,
            text,
            pieces,
        })
    };
    let late = || Err(format!("no answer in {} seconds", patience.as_secs()));
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| late())
}

async fn read(mut body: HttpBody, sent: Instant) -> Result<(String, Vec<Duration>), String> {
    let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.map_err(|error| chain(&error))?.data_ref() {
            bytes.extend_from_slice(data);
            pieces.push(sent.elapsed());
        }
        if bytes.len() > MAX_BYTES {
            return Err("the answer is too large".to_owned());
        }
    }
    Ok((String::from_utf8_lossy(&bytes).into_owned(), pieces))
}

/// An error with what is behind it, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    words
}
