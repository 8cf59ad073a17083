//! The edge, made of what the operator wrote: where it listens, who comes in and how much, how it answers.

use std::path::PathBuf;
use std::time::Duration;

use warp2api_gateway::{
    AccessLimits, ApiKeys, GatewayConfig, KeepAliveForm, KeptKeys, KeptLimits, KeyLimits, Origins,
    RemoteImages,
};
use warp2api_rpc::listener::Address;

use crate::config::Role;
use crate::config::security::long_enough;
use crate::read::Reader;

/// The edge's address. Port 28889 of this machine unless something else was written.
pub(super) fn address(read: &mut Reader) -> Address {
    let host = read.take(|s| &mut s.host).unwrap_or_else(|| "127.0.0.1".to_owned());
    let port: u16 = read.number(|s| &mut s.port, "port", 28889);
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    Address::Tcp(format!("{host}:{port}"))
}

/// How the edge behaves. One that others can reach wants keys: of the settings, or in the file at `keys_file`, which
/// is read later. Also whether it may be open all the same.
pub(super) fn gateway(
    read: &mut Reader,
    role: Role,
    address: &Address,
    keys_file: Option<&PathBuf>,
) -> (GatewayConfig, bool) {
    let written = read.take(|s| &mut s.api_token).unwrap_or_default();
    let api_keys = ApiKeys::parse(&written);
    let is_edge = role.has_edge();
    if is_edge {
        long_enough(read, "api_token", &written, address);
    }
    let allowed = read.flag(|s| &mut s.allow_open, "allow_open");
    let has_keys = !api_keys.is_empty() || keys_file.is_some_and(|path| path.exists());
    if is_edge && !address.is_loopback() && !has_keys && !allowed {
        read.problem("api_token", must_have_keys(address));
    }
    let config = GatewayConfig {
        api_keys,
        kept_keys: KeptKeys::default(),
        this_machine_only: address.is_loopback() && !allowed,
        limits: limits(read),
        origins: read.parse::<Origins>(|s| &mut s.cors_origins, "cors_origins", ""),
        max_body_bytes: read.number(|s| &mut s.max_body_bytes, "max_body_bytes", 32 * 1024 * 1024),
        remote_images: if read.flag(|s| &mut s.fetch_images, "fetch_images") {
            RemoteImages::Public
        } else {
            RemoteImages::Off
        },
        keep_alive: read.seconds(|s| &mut s.keepalive, "keepalive", Duration::from_secs(15)),
        keep_alive_form: read.choice(
            |s| &mut s.keepalive_form,
            "keepalive_form",
            &[("comment", KeepAliveForm::Comment), ("chunk", KeepAliveForm::Chunk)],
        ),
        responses: responses(read),
        ..GatewayConfig::default()
    };
    (config, allowed)
}

/// Why an edge without keys does not open on an address that others can reach.
pub(crate) fn must_have_keys(address: &Address) -> String {
    format!(
        "{address} can be reached by others: set a key for clients or make one with `warp2api keys add`, or set \
         W2A_ALLOW_OPEN=true"
    )
}

fn limits(read: &mut Reader) -> AccessLimits {
    let defaults = AccessLimits::default();
    let number = |read: &mut Reader, written: Option<u32>, key, usual: usize| {
        let number = written.map_or(Ok(usual), usize::try_from);
        number.unwrap_or_else(|_| {
            read.problem(key, "is too large for this machine");
            usual
        })
    };
    let most = read.positive(|s| &mut s.max_requests, "max_requests");
    AccessLimits {
        each_key: KeyLimits {
            requests_per_minute: read.positive(|s| &mut s.key_rpm, "key_rpm"),
            tokens_per_minute: read.positive(|s| &mut s.key_tpm, "key_tpm"),
            max_in_flight: read.positive(|s| &mut s.key_requests, "key_requests"),
        },
        max_in_flight: number(read, most, "max_requests", defaults.max_in_flight),
        max_waiting: read.number(|s| &mut s.max_waiting, "max_waiting", defaults.max_waiting),
        wait: read.seconds(|s| &mut s.max_wait, "max_wait", defaults.wait),
    }
}

fn responses(read: &mut Reader) -> KeptLimits {
    let defaults = KeptLimits::default();
    KeptLimits {
        count: read.number(|s| &mut s.responses_count, "responses_count", defaults.count),
        bytes: read.number(|s| &mut s.responses_bytes, "responses_bytes", defaults.bytes),
        time: read.seconds(|s| &mut s.responses_ttl, "responses_ttl", defaults.time),
    }
}
