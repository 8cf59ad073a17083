//! What the program needs, made of what the operator wrote. All mistakes are told at once, before a port is bound.

use std::path::PathBuf;
use std::time::Duration;

use warp2api_bridge::monitor;
use warp2api_gateway::GatewayConfig;
use warp2api_rpc::AdminKeys;
use warp2api_rpc::endpoint::Place;
use warp2api_rpc::http_endpoint::RemoteHttp;
use warp2api_rpc::listener::Address;
use warp2api_token_pool::settings::CredentialSettings;
use warp2api_token_pool::{NewCredential, PoolConfig};
use warp2api_upstream_sim::Simulator;
use warp2api_warp_chat::config::{History, OnQuota, ToolForm};
use warp2api_warp_chat::{ChatConfig, FeedConfig};

pub(crate) use crate::config::edge::must_have_keys;
use crate::config::exchange::ExchangeSettings;
pub use crate::config::exchange::TokenUrl;
pub use crate::config::role::Role;
pub use crate::config::security::Security;
use crate::read::{Problems, Reader};
use crate::settings::Settings;
use crate::sources::Origins;
use crate::store::StoreConfig;

mod edge;
mod exchange;
mod role;
mod security;
mod turns;

/// Warp itself.
const WARP_URL: &str = "https://app.warp.dev";
/// Where the embedded upstream is said to be. Nothing is looked up.
const EMBEDDED_URL: &str = "http://embedded.invalid";

/// Where a part that runs apart looks for the services it calls, unless it is told.
const SERVICES_HERE: &str = "http://127.0.0.1:28888";

/// Everything a process needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The rooms to open.
    pub role: Role,
    /// Where the edge listens.
    pub edge: Address,
    /// Where the gRPC services listen.
    pub grpc: Address,
    /// Where `/metrics` is alone, if anywhere.
    pub metrics: Option<Address>,
    /// The keys of those who run the house.
    pub admin_keys: AdminKeys,
    /// Web pages that may connect to the monitor.
    pub monitor_origins: monitor::Origins,
    /// Where the embedded upstream listens, if it has a port.
    pub upstream_listener: Address,
    /// Where the services are.
    pub places: Places,
    /// What protects the ports and the calls between services.
    pub security: Security,
    /// Where chats run.
    pub upstream: UpstreamChoice,
    /// Where refresh tokens are exchanged. Its query holds a key.
    pub token_url: TokenUrl,
    /// What `auto` has left open: where chats run if credentials turn out to be stored.
    pub auto: Option<Auto>,
    /// Where the pool is kept.
    pub store: StoreConfig,
    /// Where the guest sign-in exchanges its custom token. Its query holds a key.
    pub identity_url: TokenUrl,
    /// The proxies and the patience for the upstream.
    pub remote_http: RemoteHttp,
    /// The credentials of the operator.
    pub credentials: Vec<NewCredential>,
    /// How many chats one credential may serve at once, if the operator says.
    pub max_in_flight: Option<u32>,
    /// The numbers of the pool's rules.
    pub pool: PoolConfig,
    /// How turns run.
    pub chat: ChatConfig,
    /// How the edge behaves.
    pub gateway: GatewayConfig,
    /// Whether the edge may be without keys where others can reach it.
    pub may_be_open: bool,
    /// Where the keys are kept that `warp2api keys` makes, if anywhere.
    pub keys_file: Option<PathBuf>,
    /// How long new connections are still taken when the service stops.
    pub drain_window: Duration,
    /// How long open streams may go on when the service stops.
    pub drain_timeout: Duration,
    /// The address of a trace, with `{trace_id}` in the place of its id.
    pub trace_url: Option<String>,
}

/// Where the services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// TokenPool.
    pub token_pool: Place,
    /// WarpChat.
    pub warp_chat: Place,
}

/// Where chats run.
#[derive(Debug, Clone)]
pub enum UpstreamChoice {
    /// In this process. Tests bring their own.
    Embedded(Simulator),
    /// Behind an address.
    Remote(String),
}

/// Where chats run if credentials turn out to be stored.
#[derive(Debug, Clone)]
pub struct Auto {
    /// The upstream's root URL.
    pub url: String,
    /// Where refresh tokens are exchanged then.
    pub token_url: TokenUrl,
    /// Where the guest sign-in exchanges its custom token then.
    pub identity_url: TokenUrl,
}

impl Config {
    /// Makes sense of the settings for a role.
    ///
    /// # Errors
    /// Every mistake, each with the setting it is in.
    pub fn resolve(role: Role, settings: Settings) -> Result<Self, Problems> {
        Self::resolve_from(role, settings, Origins::default())
    }

    /// The same for settings of which it is known where they were written.
    ///
    /// # Errors
    /// Every mistake, each with the setting it is in and its place.
    pub fn resolve_from(role: Role, settings: Settings, origins: Origins) -> Result<Self, Problems> {
        let (config, problems) = Self::look(role, settings, origins);
        if problems.0.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// The same for those who can do with what is right: settings that are wrong have their defaults, and what is wrong with
    /// them is told apart.
    pub fn look(role: Role, settings: Settings, origins: Origins) -> (Self, Problems) {
        let mut read = Reader::new(settings, origins);
        let credentials = credentials(&mut read);
        let for_show = read.settings.upstream.as_deref() == Some("embedded");
        let has_pool = matches!(role, Role::All | Role::TokenPool);
        let store = StoreConfig::read(&mut read, for_show, has_pool);
        let (upstream, warp) = upstream(&mut read, role, &credentials);
        let exchange = ExchangeSettings::read(&mut read);
        let (label, root) = match &upstream {
            UpstreamChoice::Embedded(_) => ("embedded".to_owned(), EMBEDDED_URL.to_owned()),
            UpstreamChoice::Remote(url) => (host_of(url), url.clone()),
        };
        let edge = edge::address(&mut read);
        let keys_file = store.keys_file(read.take(|s| &mut s.keys_file));
        let (gateway, may_be_open) = edge::gateway(&mut read, role, &edge, keys_file.as_ref());
        let grpc = read.parse(|s| &mut s.grpc_addr, "grpc_addr", "127.0.0.1:28888");
        let places = places(&mut read, role);
        let security = security::read(&mut read, &grpc, &places);
        let admin_keys = security::admin_keys(&mut read, role, &grpc);
        let defaults = ChatConfig::default();
        let config = Self {
            role,
            edge,
            grpc,
            metrics: metrics_address(&mut read),
            security,
            monitor_origins: monitor_origins(&mut read),
            admin_keys,
            upstream_listener: read.parse(|s| &mut s.upstream_addr, "upstream_addr", "127.0.0.1:28890"),
            places,
            token_url: exchange.token_url(&root),
            identity_url: exchange.identity_url(&root),
            auto: warp.map(|url| Auto {
                token_url: exchange.token_url(&url),
                identity_url: exchange.identity_url(&url),
                url,
            }),
            store,
            remote_http: RemoteHttp {
                http_proxy: read.take(|s| &mut s.http_proxy),
                https_proxy: read.take(|s| &mut s.https_proxy),
                no_proxy: read.take(|s| &mut s.no_proxy).or_else(|| Some("127.0.0.1,localhost".to_owned())),
                ..RemoteHttp::default()
            },
            credentials,
            max_in_flight: read.positive(|s| &mut s.max_in_flight, "max_in_flight"),
            pool: PoolConfig::default(),
            chat: ChatConfig {
                upstream_url: root,
                upstream_label: label,
                history: read.choice(
                    |s| &mut s.history,
                    "history",
                    &[("structured", History::Structured), ("flattened", History::Flattened)],
                ),
                tools: read.choice(
                    |s| &mut s.tool_form,
                    "tool_form",
                    &[("grouped", ToolForm::Grouped), ("flat", ToolForm::Flat)],
                ),
                on_quota: read.choice(
                    |s| &mut s.on_quota,
                    "on_quota",
                    &[("next", OnQuota::Next), ("fail", OnQuota::Fail)],
                ),
                server_preamble: read.flag(|s| &mut s.server_preamble, "server_preamble"),
                client: client_headers(&mut read),
                clocks: turns::clocks(&mut read),
                lease_life: turns::lease_life(&mut read),
                resume: turns::resume(&mut read),
                feed: feed(&mut read),
                trace_content: content(&mut read),
                ..defaults
            },
            gateway,
            may_be_open,
            keys_file,
            trace_url: trace_url(&mut read),
            drain_window: read.seconds(|s| &mut s.drain_window, "drain_window", Duration::from_secs(1)),
            drain_timeout: read.seconds(|s| &mut s.drain_timeout, "drain_timeout", Duration::from_secs(30)),
            upstream,
        };
        (config, read.problems())
    }

    /// Decides what `auto` has left open, now that it is known whether credentials are stored.
    ///
    /// # Errors
    /// When the edge can be reached by others, and nobody asked for the embedded upstream.
    pub fn settle_upstream(&mut self, has_stored_credentials: bool) -> Result<(), Problems> {
        let Some(Auto { url, token_url, identity_url }) = self.auto.clone() else { return Ok(()) };
        if has_stored_credentials {
            (self.chat.upstream_label, self.chat.upstream_url) = (host_of(&url), url.clone());
            (self.upstream, self.token_url) = (UpstreamChoice::Remote(url), token_url);
            self.identity_url = identity_url;
        } else if self.role == Role::All && !self.edge.is_loopback() {
            return Err(Problems(vec![format!(
                "upstream (W2A_UPSTREAM): {} can be reached by others, and no credential is configured or stored: set \
                 one, or W2A_UPSTREAM=embedded to offer the embedded upstream on purpose",
                self.edge
            )]));
        }
        Ok(())
    }
}

fn metrics_address(read: &mut Reader) -> Option<Address> {
    let written = read.take(|s| &mut s.metrics_addr)?;
    written.parse().map_err(|error| read.problem("metrics_addr", error)).ok()
}

fn monitor_origins(read: &mut Reader) -> monitor::Origins {
    let written = read.take(|s| &mut s.monitor_origins).unwrap_or_default();
    monitor::Origins::parse(&written).unwrap_or_else(|error| {
        read.problem("monitor_origins", error);
        monitor::Origins::default()
    })
}

/// Of events of their own, where some put what is said, there are none.
fn content(read: &mut Reader) -> bool {
    read.choice(
        |s| &mut s.otel_instrumentation_genai_capture_message_content,
        "otel_instrumentation_genai_capture_message_content",
        &[("false", false), ("true", true), ("NO_CONTENT", false), ("SPAN_ONLY", true)],
    )
}

fn feed(read: &mut Reader) -> FeedConfig {
    let defaults = FeedConfig::default();
    FeedConfig {
        capture: read.flag(|s| &mut s.capture, "capture"),
        bytes: read.number(|s| &mut s.monitor_bytes, "monitor_bytes", defaults.bytes),
        ..defaults
    }
}

fn trace_url(read: &mut Reader) -> Option<String> {
    let url = read.take(|s| &mut s.trace_url)?;
    let usable = (url.starts_with("http://") || url.starts_with("https://")) && url.contains("{trace_id}");
    if !usable {
        read.problem("trace_url", "wants an http or https address with {trace_id} in it".to_owned());
    }
    Some(url)
}

fn credentials(read: &mut Reader) -> Vec<NewCredential> {
    let settings = CredentialSettings {
        warp_api_key: read.take(|s| &mut s.warp_api_key),
        warp_jwt: read.take(|s| &mut s.warp_jwt),
        warp_refresh_token: read.take(|s| &mut s.warp_refresh_token),
        warp_personal_tokens: read.take(|s| &mut s.warp_personal_tokens),
        warp_shared_tokens: read.take(|s| &mut s.warp_shared_tokens),
        warp_anonymous_token: read.take(|s| &mut s.warp_anonymous_token),
    };
    match warp2api_token_pool::settings::parse(&settings) {
        Ok(credentials) => credentials,
        Err(error) => {
            for problem in error.0 {
                read.problem("credentials", problem);
            }
            Vec::new()
        }
    }
}

/// Where chats run, and the upstream's URL if that is to be found out.
fn upstream(
    read: &mut Reader,
    role: Role,
    credentials: &[NewCredential],
) -> (UpstreamChoice, Option<String>) {
    let warp = read.take(|s| &mut s.warp_url).unwrap_or_else(|| WARP_URL.to_owned());
    let embedded = || UpstreamChoice::Embedded(Simulator::new(Default::default()));
    match read.settings.upstream.as_deref() {
        None | Some("auto") if role == Role::WarpChat => {
            read.problem(
                "upstream",
                "a chat service that runs apart cannot see the credentials: write `embedded` or the upstream's URL"
                    .to_owned(),
            );
            (embedded(), None)
        }
        None | Some("auto") => {
            let warp = read.root_url("warp_url", &warp);
            if credentials.is_empty() {
                (embedded(), Some(warp))
            } else {
                (UpstreamChoice::Remote(warp), None)
            }
        }
        Some("embedded") => (embedded(), None),
        Some(url) => {
            let url = url.to_owned();
            (UpstreamChoice::Remote(read.root_url("upstream", &url)), None)
        }
    }
}

fn places(read: &mut Reader, role: Role) -> Places {
    let bridge = read.take(|s| &mut s.warp_bridge_url).filter(|_| role == Role::Gateway);
    let elsewhere = bridge.as_deref().unwrap_or(match role {
        Role::Gateway | Role::WarpChat => SERVICES_HERE,
        _ => "local",
    });
    Places {
        token_pool: read.parse(|s| &mut s.token_pool, "token_pool", elsewhere),
        warp_chat: read.parse(|s| &mut s.warp_chat, "warp_chat", elsewhere),
    }
}

fn client_headers(read: &mut Reader) -> warp2api_warp_chat::config::ClientHeaders {
    let defaults = warp2api_warp_chat::config::ClientHeaders::default();
    warp2api_warp_chat::config::ClientHeaders {
        id: read.take(|s| &mut s.warp_client_id).unwrap_or(defaults.id),
        version: read.take(|s| &mut s.warp_client_version).unwrap_or(defaults.version),
        os_category: read.take(|s| &mut s.warp_os_category).unwrap_or(defaults.os_category),
        os_name: read.take(|s| &mut s.warp_os_name).unwrap_or(defaults.os_name),
        os_version: read.take(|s| &mut s.warp_os_version).unwrap_or(defaults.os_version),
    }
}

fn host_of(url: &str) -> String {
    url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
