//! Fetches the images that a request names by URL, if the operator allows it.
//!
//! The URLs are written by strangers, so nothing here may serve them as a way into the network around us: only public
//! addresses are connected to, wherever a name or a redirect leads, nothing of ours is sent along, and what is told
//! about a failure says nothing about that network. Everything is bounded in number, size and time. Whether a body is
//! an image is decided where inline images are.

mod address;
mod error;
mod resolver;
mod target;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout_at};
use warp2api_dialects::error::Problem;
use warp2api_dialects::{FetchedImages, MAX_IMAGE_BYTES, RemoteImage};

use self::error::FetchError;
use self::resolver::{LookUp, NoPermittedAddress, PermittedAddresses};
use crate::config::{GatewayConfig, RemoteImages};

/// How many images of a request are fetched at once.
const MAX_AT_ONCE: usize = 4;
/// How many redirects are followed for one image.
const MAX_REDIRECTS: usize = 3;

/// The client that images are fetched with could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the client that fetches images")]
pub struct FetcherError(#[source] reqwest::Error);

/// Fetches images.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    client: Client,
    policy: RemoteImages,
    /// How long the images of a request may take together.
    time: Duration,
    /// How large they may be together.
    total_bytes: usize,
}

impl Fetcher {
    /// The fetcher that the config asks for, if it does.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(config: &GatewayConfig) -> Result<Option<Self>, FetcherError> {
        match config.remote_images {
            RemoteImages::Off => Ok(None),
            RemoteImages::Public | RemoteImages::PublicAndLoopback => {
                Self::with_names(config, resolver::system).map(Some)
            }
        }
    }

    fn with_names(config: &GatewayConfig, look_up: LookUp) -> Result<Self, FetcherError> {
        let policy = config.remote_images;
        let client = client(policy, look_up).map_err(FetcherError)?;
        // Not more than could have come with the request itself.
        Ok(Self { client, policy, time: config.fetch_timeout, total_bytes: config.max_body_bytes })
    }

    /// Fetches the images, each URL once. Dropping the future ends the connections.
    ///
    /// # Errors
    /// The problem of the first image in order that cannot be had.
    pub(crate) async fn fetch(&self, mut images: Vec<RemoteImage>) -> Result<FetchedImages, Problem> {
        let deadline = Instant::now() + self.time;
        let room = &Room { most: self.total_bytes, taken: AtomicUsize::new(0) };
        let mut seen = HashSet::new();
        images.retain(|image| seen.insert(image.url.clone()));
        let fetches = images.into_iter().map(|image| async move {
            let fetched = timeout_at(deadline, self.image(&image.url, room)).await;
            let body = fetched.unwrap_or(Err(FetchError::Time)).map_err(|error| error.problem(&image))?;
            Ok((image.url, body))
        });
        let add = |mut all: FetchedImages, (url, body): (String, Bytes)| {
            all.insert(url, body);
            future::ready(Ok(all))
        };
        stream::iter(fetches).buffered(MAX_AT_ONCE).try_fold(FetchedImages::default(), add).await
    }

    async fn image(&self, url: &str, room: &Room) -> Result<Bytes, FetchError> {
        let mut url = target::parse(url, self.policy)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.client.get(url.clone()).send().await.map_err(|error| failure(&error))?;
            // It was checked before connecting; an address that got around that gets no answer across.
            let peer = response.remote_addr().map(|address| address.ip());
            if !peer.is_some_and(|address| self.policy.permits(address)) {
                return Err(FetchError::Address);
            }
            match response.status() {
                StatusCode::OK => return body(response, room).await,
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => url = self.next(&url, response.headers())?,
                status => {
                    tracing::debug!(%status, "an image could not be fetched");
                    return Err(FetchError::Server);
                }
            }
        }
        Err(FetchError::Redirects)
    }

    fn next(&self, url: &Url, headers: &HeaderMap) -> Result<Url, FetchError> {
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
        target::redirected(url, location.ok_or(FetchError::Server)?, self.policy)
    }
}

impl RemoteImages {
    /// Whether an image may be fetched from the address.
    fn permits(self, address: IpAddr) -> bool {
        match self {
            Self::Off => false,
            Self::Public => address::is_public(address),
            Self::PublicAndLoopback => address::is_public(address) || address::is_loopback(address),
        }
    }
}

/// The bytes that the images of a request share.
#[derive(Debug)]
struct Room {
    most: usize,
    taken: AtomicUsize,
}

impl Room {
    fn take(&self, bytes: usize) -> Result<(), FetchError> {
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed);
        if taken.saturating_add(bytes) > self.most {
            Err(FetchError::LargeTogether(self.most))
        } else {
            Ok(())
        }
    }
}

async fn body(mut response: Response, room: &Room) -> Result<Bytes, FetchError> {
    if response.content_length().is_some_and(|announced| announced > MAX_IMAGE_BYTES as u64) {
        return Err(FetchError::Large);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > MAX_IMAGE_BYTES {
            return Err(FetchError::Large);
        }
        room.take(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What went wrong, as far as the caller may know. The log may know more; the URL, which may hold a secret, it may not.
fn failure(error: &reqwest::Error) -> FetchError {
    let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
    if causes().any(|cause| cause.is::<NoPermittedAddress>()) {
        return FetchError::Address;
    }
    let causes: Vec<_> = causes().map(ToString::to_string).collect();
    tracing::debug!(causes = causes.join(": "), "an image could not be fetched");
    FetchError::Server
}

fn client(policy: RemoteImages, look_up: LookUp) -> reqwest::Result<Client> {
    // The first one in the process wins; whoever was earlier chose the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let accept = HeaderValue::from_static("image/png, image/jpeg, image/gif, image/webp");
    Client::builder()
        .dns_resolver(PermittedAddresses::new(policy, look_up))
        // A proxy would connect wherever the URL leads.
        .no_proxy()
        // Each is followed by hand, and checked.
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_secs(10))
        // Connections are not kept: each image has its own, made for an address that was just checked, and it ends
        // when nobody waits for the image any more.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("warp2api/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([(ACCEPT, accept)]))
        .build()
}
