//! The way to a collector, over gRPC or HTTP: one message that was encoded before goes out, again if that may help, and
//! the answer comes back.
//!
//! Ours rather than the exporter crate's, since that one reads variables of its own from the environment, headers with
//! keys in them among others, whatever flags and files say; and since it keeps to itself what a collector rejects.
//! Nothing that a collector says is repeated: it may quote the key that it was sent.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Status};
use warp2api_rpc::encoded::Encoded;

use super::again::{Again, of_code, of_status, pause};
use super::reach::{all_words, client, endpoint};
use super::target::{Protocol, Target};

/// The largest answer of a collector that is read.
const MOST_ANSWER_BYTES: usize = 1 << 20;

/// The way to one collector for one signal.
pub(super) struct Transport {
    way: Way,
    timeout: Duration,
    /// Exporters run on threads that have none.
    runtime: Handle,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and the address may hold keys.
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Way {
    Grpc { channel: Channel, method: PathAndQuery, headers: HeaderMap, gzip: bool },
    Http { client: reqwest::Client, url: String, headers: HeaderMap, gzip: bool },
}

/// Why something was not taken.
#[derive(Debug)]
struct Failure {
    words: String,
    again: Again,
}

impl Transport {
    /// The way to `target`; `method` is the one that gRPC calls there. Within a tokio runtime, on which things are sent.
    pub(super) fn new(target: &Target, method: &'static str) -> Result<Self, String> {
        let (headers, gzip) = (target.headers.clone(), target.gzip);
        let way = match target.protocol {
            Protocol::Grpc => {
                let channel = endpoint(target)?.connect_lazy();
                Way::Grpc { channel, method: PathAndQuery::from_static(method), headers, gzip }
            }
            Protocol::Http => Way::Http { client: client(target)?, url: target.url.clone(), headers, gzip },
        };
        Ok(Self { way, timeout: target.timeout, runtime: Handle::current() })
    }

    /// Sends a message, and again where that may help, until `end` or the target's timeout; the answer as it came.
    pub(super) async fn send(&self, message: Vec<u8>, end: Instant) -> Result<Bytes, String> {
        let end = end.min(Instant::now() + self.timeout);
        let sending = self.runtime.spawn(self.way.clone().send(message.into(), end));
        sending.await.unwrap_or_else(|_| Err("the process ends".to_owned()))
    }
}

impl Way {
    async fn send(self, message: Bytes, end: Instant) -> Result<Bytes, String> {
        let mut attempt = 0;
        loop {
            let failure = match tokio::time::timeout_at(end, self.attempt(message.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => failure,
                Err(_) => return Err("the collector did not answer in time".to_owned()),
            };
            attempt += 1;
            let pause = pause(attempt, failure.again, uuid::Uuid::new_v4().as_bytes()[0]);
            // A collector may say any number.
            match pause.and_then(|pause| Instant::now().checked_add(pause)).filter(|next| *next < end) {
                Some(next) => tokio::time::sleep_until(next).await,
                None => return Err(failure.words),
            }
        }
    }

    async fn attempt(&self, message: Bytes) -> Result<Bytes, Failure> {
        match self {
            Self::Grpc { channel, method, headers, gzip } => {
                let mut client = Grpc::new(channel.clone()).max_decoding_message_size(MOST_ANSWER_BYTES);
                if *gzip {
                    client = client.send_compressed(CompressionEncoding::Gzip);
                }
                client = client.accept_compressed(CompressionEncoding::Gzip);
                let mut request = Request::new(message);
                *request.metadata_mut() = MetadataMap::from_headers(headers.clone());
                client.ready().await.map_err(|error| unreached(&error))?;
                let answer = client.unary(request, method.clone(), Encoded).await;
                answer.map(tonic::Response::into_inner).map_err(|status| refused(&status))
            }
            Self::Http { client, url, headers, gzip } => {
                let (body, encoding) =
                    if *gzip { (smaller(&message), Some("gzip")) } else { (message, None) };
                let mut all = HeaderMap::new();
                all.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
                all.extend(encoding.map(|name| (CONTENT_ENCODING, HeaderValue::from_static(name))));
                all.extend(headers.clone());
                let sending = client.post(url).headers(all).body(body).send();
                let answer = sending.await.map_err(|error| unreached(&error.without_url()))?;
                if !answer.status().is_success() {
                    return Err(Failure {
                        words: format!("the collector answers with the status {}", answer.status().as_u16()),
                        again: of_status(answer.status(), answer.headers(), SystemTime::now()),
                    });
                }
                read(answer).await
            }
        }
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Bytes, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreached(&error.without_url()))? {
        if body.len() + chunk.len() > MOST_ANSWER_BYTES {
            return Err(Failure {
                words: "the collector's answer is too large".to_owned(),
                again: Again::Never,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// Nobody answered: the words are of this side.
fn unreached(error: &dyn std::error::Error) -> Failure {
    Failure { words: format!("the collector was not reached: {}", all_words(error)), again: Again::Soon }
}

fn refused(status: &Status) -> Failure {
    // What has a source did not come from the other side.
    match std::error::Error::source(status) {
        Some(source) => unreached(source),
        None => Failure {
            words: format!("the collector answers with the gRPC code {:?}", status.code()),
            again: of_code(status),
        },
    }
}

fn smaller(message: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Into memory, which takes it.
    drop(encoder.write_all(message));
    encoder.finish().unwrap_or_default().into()
}
