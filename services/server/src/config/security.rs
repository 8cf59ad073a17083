//! What protects the ports and the calls between services: TLS, the service token, bounds of connections.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use warp2api_rpc::admin_keys::named_keys;
use warp2api_rpc::endpoint::Place;
use warp2api_rpc::listener::Address;
use warp2api_rpc::serve::{BodyMemory, ServeConfig};
use warp2api_rpc::tls::TlsFiles;
use warp2api_rpc::{AdminKeys, ChatTokens, ServiceTokens};

use crate::config::{Places, Role};
use crate::read::Reader;
use crate::settings::Settings;

/// Files and tokens, not opened yet.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// TLS of the edge.
    pub edge: Option<TlsFiles>,
    /// TLS of the gRPC services; with a CA, clients must have a certificate of it.
    pub grpc: Option<TlsFiles>,
    /// For calls of services behind `https`: whom to trust, and what to show.
    pub link: Option<TlsFiles>,
    /// The tokens of the house.
    pub tokens: ServiceTokens,
    /// The tokens of programs that may only chat.
    pub chat_tokens: ChatTokens,
    /// The bounds of every listener.
    pub serve: ServeConfig,
}

impl Security {
    /// How addresses of the edge begin.
    pub fn edge_scheme(&self) -> &'static str {
        scheme(self.edge.as_ref())
    }

    /// How addresses of the services begin.
    pub fn grpc_scheme(&self) -> &'static str {
        scheme(self.grpc.as_ref())
    }
}

fn scheme(tls: Option<&TlsFiles>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

pub(super) fn read(read: &mut Reader, grpc: &Address, places: &Places) -> Security {
    let files = |cert: Option<String>, key: Option<String>, ca: Option<String>| {
        let [cert, key, ca] = [cert, key, ca].map(|path| path.map(PathBuf::from));
        let written = cert.is_some() || key.is_some() || ca.is_some();
        written.then_some(TlsFiles { cert, key, ca, own: None })
    };
    let edge = files(read.take(|s| &mut s.tls_cert), read.take(|s| &mut s.tls_key), None);
    let services = files(
        read.take(|s| &mut s.grpc_tls_cert),
        read.take(|s| &mut s.grpc_tls_key),
        read.take(|s| &mut s.grpc_client_ca),
    );
    let link = files(
        read.take(|s| &mut s.service_cert),
        read.take(|s| &mut s.service_key),
        read.take(|s| &mut s.service_ca),
    );
    for (key, files) in [("tls_cert", &edge), ("grpc_tls_cert", &services)] {
        if files.as_ref().is_some_and(|files| files.cert.is_none() || files.key.is_none()) {
            read.problem(key, "TLS wants a certificate and its key; set both");
        }
    }
    if services.is_some() && matches!(grpc, Address::Unix(_)) {
        read.problem(
            "grpc_tls_cert",
            "a unix socket has no TLS; listen on host:port, or leave the certificate out",
        );
    }
    if link.as_ref().is_some_and(|files| files.ca.is_none()) {
        read.problem("service_ca", "name the CA that the certificates of the other services come from");
    }
    for (key, place) in [("token_pool", &places.token_pool), ("warp_chat", &places.warp_chat)] {
        if link.is_none() && matches!(place, Place::Tcp(uri) if uri.starts_with("https:")) {
            read.problem(
                key,
                format!("{place} is behind TLS: name the CA of its certificate in W2A_SERVICE_CA"),
            );
        }
    }
    let tokens = read.take(|s| &mut s.service_token).unwrap_or_default().parse();
    let tokens = tokens.unwrap_or_else(|error| {
        read.problem("service_token", error);
        ServiceTokens::default()
    });
    let chat_tokens = read.take(|s| &mut s.chat_token).unwrap_or_default().parse();
    let chat_tokens = chat_tokens.unwrap_or_else(|error| {
        read.problem("chat_token", error);
        ChatTokens::default()
    });
    let usual = ServeConfig::default();
    let connections = read.positive(|s| &mut s.max_connections, "max_connections");
    let serve = ServeConfig {
        header_read_timeout: read.seconds(
            |s| &mut s.header_timeout,
            "header_timeout",
            usual.header_read_timeout,
        ),
        idle_timeout: read.seconds(|s| &mut s.idle_timeout, "idle_timeout", usual.idle_timeout),
        reader_timeout: read.seconds(|s| &mut s.reader_timeout, "reader_timeout", usual.reader_timeout),
        body_memory: match read.positive(|s| &mut s.body_memory, "body_memory") {
            Some(bytes) => Arc::new(BodyMemory::new(usize::try_from(bytes).unwrap_or(usize::MAX))),
            None => usual.body_memory,
        },
        max_head_bytes: within(read, |s| &mut s.max_head_bytes, "max_head_bytes", HEAD, usual.max_head_bytes),
        max_headers: within(read, |s| &mut s.max_headers, "max_headers", HEADERS, usual.max_headers),
        max_connections: connections
            .and_then(|most| usize::try_from(most).ok())
            .map_or(usual.max_connections, |most| most.min(tokio::sync::Semaphore::MAX_PERMITS)),
        ..usual
    };
    Security { edge, grpc: services, link, tokens, chat_tokens, serve }
}

/// Bytes of a head: HTTP/1.1 cannot be read with less, and nobody sends more.
const HEAD: RangeInclusive<usize> = 8192..=16 * 1024 * 1024;
/// Headers of a request.
const HEADERS: RangeInclusive<usize> = 16..=1000;

/// A number between two others.
fn within(
    read: &mut Reader,
    setting: impl FnOnce(&mut Settings) -> &mut Option<String>,
    key: &str,
    range: RangeInclusive<usize>,
    default: usize,
) -> usize {
    let Some(written) = read.take(setting) else { return default };
    match written.parse() {
        Ok(number) if range.contains(&number) => number,
        _ => {
            let (least, most) = range.into_inner();
            read.problem(key, format!("`{written}` is not a number from {least} to {most}"));
            default
        }
    }
}

/// The keys of those who run the house.
pub(super) fn admin_keys(read: &mut Reader, role: Role, grpc: &Address) -> AdminKeys {
    let written = read.take(|s| &mut s.admin_key).unwrap_or_default();
    if role.has_services() {
        long_enough(read, "admin_key", &written, grpc);
    }
    AdminKeys::parse(&written)
}

/// Keys and tokens that people choose are this long at least where others can try some.
const SHORTEST_KEY: usize = 16;

/// Says which setting has keys that are too short for an address that others can reach. `written` has them separated by
/// commas, each perhaps `name=key`.
pub(super) fn long_enough(read: &mut Reader, key: &str, written: &str, address: &Address) {
    let short = |(_, secret): &(String, &str)| secret.len() < SHORTEST_KEY;
    if !address.is_loopback() && named_keys(written, "").iter().any(short) {
        read.problem(
            key,
            format!(
                "{address} can be reached by others: a key for it has {SHORTEST_KEY} characters at least; `openssl \
                 rand -hex 32` makes one"
            ),
        );
    }
}
