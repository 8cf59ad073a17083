//! Builds the house for a role, inside out, and opens its doors. `running` is how it goes on, and stops.
//!
//! Ports are bound first, so that a taken one is said before anything runs. Then: pool, its endpoint; chat, its
//! endpoint; the edge. A service that is elsewhere is an endpoint all the same.

mod running;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use warp2api_codec::CodecService;
use warp2api_gateway::Gateway;
use warp2api_proto::FILE_DESCRIPTOR_SET;
use warp2api_proto::codec::v1::codec_server::CodecServer;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPoolServer;
use warp2api_proto::warp_chat::v1::warp_chat_server::WarpChatServer;
use warp2api_rpc::endpoint::{self, Place};
use warp2api_rpc::listener::{Address, Listener};
use warp2api_rpc::serve::{ServeConfig, Shutdown, serve};
use warp2api_rpc::server::{GrpcServer, Health};
use warp2api_rpc::{GrpcEndpoint, Link, Live, MAX_MESSAGE_BYTES, meter};
use warp2api_token_pool::view::PoolStatus;
use warp2api_token_pool::{Accounts, Pool, Store, TokenPoolService};
use warp2api_warp_chat::WarpChatService;

use crate::config::{Config, Role, UpstreamChoice};
use crate::ready::{self, Watched};
use crate::secured::Secured;
use crate::{bridge, documents, keys, metrics, page, pool};

use running::Patience;
pub use running::Running;

/// A house that is built and has its ports, but does not answer yet.
pub struct App {
    config: Config,
    edge: Option<(Listener, axum::Router)>,
    bridge: Option<(Listener, axum::Router, Health)>,
    upstream: Option<(Listener, axum::Router)>,
    metrics: Option<(Listener, axum::Router)>,
    pool: Option<(Accounts, PoolStatus)>,
    chat: Option<WarpChatService>,
    gateway: Option<Gateway>,
    watched: Watched,
    keys: Option<keys::Watch>,
    secured: Secured,
    shutdown: Shutdown,
}

/// Where the house listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The edge.
    pub edge: Option<Address>,
    /// The gRPC services.
    pub grpc: Option<Address>,
    /// The embedded upstream.
    pub upstream: Option<Address>,
    /// What is counted, on a port of its own.
    pub metrics: Option<Address>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("role", &self.config.role).finish_non_exhaustive()
    }
}

impl App {
    /// Binds the ports of the role and builds its rooms.
    ///
    /// # Errors
    /// When a port is taken or a setting turns out unusable. Nothing runs then.
    pub async fn build(mut config: Config) -> anyhow::Result<Self> {
        let role = config.role;
        meter::get().started(env!("CARGO_PKG_VERSION"), role.name());
        let shutdown = Shutdown::default();
        let edge = bind(matches!(role, Role::All | Role::Gateway), &config.edge, "--port").await?;
        let serves_grpc = matches!(role, Role::All | Role::WarpChat | Role::Codec | Role::TokenPool);
        let grpc = bind(serves_grpc, &config.grpc, "--grpc-addr").await?;
        let upstream = bind(role == Role::Upstream, &config.upstream_listener, "--upstream-addr").await?;
        let metrics = match &config.metrics {
            Some(address) => Some(Listener::bind(address, "--metrics-addr").await?),
            None => None,
        };

        let secured = Secured::open(&config, edge.is_some(), grpc.is_some())?;
        let keys = match &edge {
            Some(_) => {
                let file = config.keys_file.as_deref();
                keys::open(file, &config.gateway, &config.edge, config.may_be_open)?
            }
            None => None,
        };
        let has_pool =
            role == Role::TokenPool || role == Role::All && config.places.token_pool == Place::Local;
        let store = if has_pool { Some(config.store.open().await?) } else { None };
        config.settle_upstream(store.as_ref().is_some_and(Store::has_credentials))?;
        let http = pool::upstream(&config)?;
        let mut services = GrpcServer::default();
        let mut names: Vec<&'static str> = Vec::new();
        let mut pool = None;
        let mut pool_endpoint = None;
        if let Some(store) = store {
            let accounts = pool::accounts(&config, http.clone(), store).await?;
            let service = TokenPoolService::with_accounts(accounts.clone()).until(shutdown.drain.clone());
            let server = TokenPoolServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
            pool_endpoint = Some(endpoint::local(Routes::new(server.clone())));
            services = services.with_service(server);
            names.push("warp2api.token_pool.v1.TokenPool");
            services = services.with_health_of(ready::LEASES);
            let status = accounts.pool().status().await.map_err(|error| anyhow::anyhow!(error))?;
            pool = Some((accounts, status));
        }
        let mut chat_endpoint = None;
        let mut chat = None;
        let mut gateway = None;
        if role == Role::WarpChat || role == Role::All && config.places.warp_chat == Place::Local {
            let pool = here_or_there(pool_endpoint, &config.places.token_pool, &secured.link)?;
            let service = WarpChatService::new(config.chat.clone(), http, pool, shutdown.tasks.clone())?;
            chat = Some(service.clone());
            let server = WarpChatServer::new(service)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES);
            chat_endpoint = Some(endpoint::local(Routes::new(server.clone())));
            services = services.with_service(server);
            names.push("warp2api.warp_chat.v1.WarpChat");
        }
        if matches!(role, Role::All | Role::Codec) {
            let server = CodecServer::new(CodecService::new())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES);
            services = services.with_service(server);
            names.push("warp2api.codec.v1.Codec");
        }

        let watched = Watched::new(
            &config,
            &secured.link,
            pool.as_ref().map(|(accounts, _): &(Accounts, _)| accounts.pool()),
        )?;
        let mut edge = match edge {
            Some(listener) => {
                // A chat service elsewhere tells where it runs when it is asked how it is, or with its first answer.
                let known = chat_endpoint.is_some().then_some(config.chat.upstream_label.as_str());
                let chat = here_or_there(chat_endpoint, &config.places.warp_chat, &secured.link)?;
                let chat = endpoint::until(chat, shutdown.last_call.clone());
                let edge = Gateway::new(config.gateway.clone(), chat, known)?;
                let router = edge.router();
                gateway = Some(watched.tells(edge));
                let services = grpc.as_ref().map(Listener::local_address).transpose()?;
                let signpost = services
                    .as_ref()
                    .map(|at| page::signpost(config.security.grpc_scheme(), at))
                    .unwrap_or_default();
                Some((listener, router.merge(signpost)))
            }
            None => None,
        };
        let mut routes = Vec::new();
        let mut bridge = match grpc {
            Some(listener) => {
                let (router, health) =
                    services.finish(FILE_DESCRIPTOR_SET, shutdown.last_call.clone()).await?;
                let guard = secured.guard(&config, &listener.local_address()?);
                let endpoints = bridge::endpoints(&config, &secured.link, &router, &names)?;
                routes = documents::routes(&endpoints)?;
                let watching = bridge::watching(&config, &shutdown);
                let page = page::router(&config);
                let router = bridge::router(router, names.leak(), endpoints, guard, page, watching)?;
                Some((listener, router, health))
            }
            None => None,
        };
        let here = edge.as_ref().map(|(listener, _)| listener.local_address()).transpose()?;
        let there = bridge.as_ref().map(|(listener, ..)| listener.local_address()).transpose()?;
        let (of_edge, of_bridge) = documents::pages(
            routes,
            here.as_ref().map(|address| (config.security.edge_scheme(), address)),
            there.as_ref().map(|address| (config.security.grpc_scheme(), address)),
        );
        if let Some((_, router)) = &mut edge {
            *router = std::mem::take(router).merge(of_edge).merge(watched.readiness.routes());
        }
        if let Some((_, router, _)) = &mut bridge {
            *router = watched.at_services(std::mem::take(router).merge(of_bridge), &config);
        }
        let upstream = match (upstream, &config.upstream) {
            (Some(at), UpstreamChoice::Embedded(it)) => Some((at, watched.with_probes(it.router()))),
            (Some(_), UpstreamChoice::Remote(_)) => {
                anyhow::bail!("`warp2api upstream` serves the embedded upstream; leave W2A_UPSTREAM unset")
            }
            (None, _) => None,
        };
        if let Some((.., health)) = &bridge {
            watched.begin(health).await;
        }
        let metrics = metrics.map(|listener| (listener, metrics::port(&watched.readiness)));
        Ok(Self {
            config,
            edge,
            bridge,
            upstream,
            metrics,
            pool,
            chat,
            gateway,
            watched,
            keys,
            secured,
            shutdown,
        })
    }

    /// Where the house will listen.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> std::io::Result<Addresses> {
        Ok(Addresses {
            edge: self.edge.as_ref().map(|(listener, _)| listener.local_address()).transpose()?,
            grpc: self.bridge.as_ref().map(|(listener, ..)| listener.local_address()).transpose()?,
            upstream: self.upstream.as_ref().map(|(listener, _)| listener.local_address()).transpose()?,
            metrics: self.metrics.as_ref().map(|(listener, _)| listener.local_address()).transpose()?,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The pool, if it is in this process.
    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref().map(|(accounts, _)| accounts.pool())
    }

    /// The pool at the start, counted, if it is in this process.
    pub fn pool_status(&self) -> Option<&PoolStatus> {
        self.pool.as_ref().map(|(_, status)| status)
    }

    /// Opens the doors.
    pub fn spawn(self) -> Running {
        let Self { config, edge, bridge, upstream, pool, chat, gateway, watched, keys, secured, .. } = self;
        let (metrics, shutdown, watchers) = (self.metrics, self.shutdown, Shutdown::default());
        let accounts = pool.map(|(accounts, _)| accounts);
        let tasks = &shutdown.tasks;
        let background = CancellationToken::new();
        if let Some(accounts) = &accounts {
            tasks.spawn(warp2api_token_pool::refresh::run(accounts.pool().clone(), background.clone()));
            tasks.spawn(accounts.clone().run(background.clone()));
            tasks.spawn(pool::count(accounts.pool().clone(), background.clone()));
        }
        if let Some(keys) = keys {
            tasks.spawn(keys.keep(background.clone()));
        }
        chat.iter().for_each(|chat| drop(tasks.spawn(chat.clone().keep_leases(shutdown.clone()))));
        let mut health = None;
        if let Some((listener, router, services)) = bridge {
            health = Some(services);
            tasks.spawn(serve(listener, router, secured.serve_grpc(&config), shutdown.clone()));
        }
        if let Some((listener, router)) = edge {
            tasks.spawn(serve(listener, router, secured.serve_edge(&config), shutdown.clone()));
        }
        if let Some((listener, router)) = upstream {
            tasks.spawn(serve(listener, router, plain(&config, "upstream"), shutdown.clone()));
        }
        if let Some((listener, router)) = metrics {
            let ports = serve(listener, router, plain(&config, "metrics"), watchers.clone());
            watchers.tasks.spawn(ports);
        }
        secured.keep(tasks, &background);
        let pool = accounts.map(|accounts| accounts.pool().clone());
        let (readiness, leaving) = (watched.readiness.clone(), CancellationToken::new());
        let watching = tasks.spawn(watched.keep(health.clone(), leaving.clone()));
        let patience = Live::new(Patience::from(&config));
        Running {
            shutdown,
            watchers,
            background,
            readiness,
            leaving,
            watching,
            health,
            pool,
            chat,
            gateway,
            patience,
        }
    }
}

async fn bind(wanted: bool, address: &Address, option: &'static str) -> anyhow::Result<Option<Listener>> {
    if !wanted {
        return Ok(None);
    }
    Ok(Some(Listener::bind(address, option).await?))
}

/// How a port is served that has nothing to protect.
fn plain(config: &Config, name: &'static str) -> ServeConfig {
    ServeConfig { name, ..config.security.serve.clone() }
}

fn here_or_there(here: Option<GrpcEndpoint>, place: &Place, link: &Link) -> anyhow::Result<GrpcEndpoint> {
    match here {
        Some(here) => Ok(here),
        None => Ok(endpoint::linked(place, link)?),
    }
}
