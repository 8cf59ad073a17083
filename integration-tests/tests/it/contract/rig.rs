//! The three services on a simulator, each behind an endpoint of one kind.

use std::convert::Infallible;

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Service;
use warp2api_codec::CodecService;
use warp2api_proto::codec::v1::codec_server::CodecServer;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPoolServer;
use warp2api_proto::warp_chat::v1::warp_chat_server::WarpChatServer;
use warp2api_rpc::deadline::DeadlineLayer;
use warp2api_rpc::endpoint::{self, Place};
use warp2api_rpc::listener::{Address, Listener};
use warp2api_rpc::plain_status::PlainStatusLayer;
use warp2api_rpc::serve::{ServeConfig, Shutdown, serve};
use warp2api_rpc::{GrpcEndpoint, HttpEndpoint, http_endpoint};
use warp2api_token_pool::{
    Kind, NewCredential, Pool, PoolConfig, Secret, Tier, TokenExchange, TokenPoolService,
};
use warp2api_upstream_sim::{EmbeddedCredential, Simulator, SimulatorConfig};
use warp2api_warp_chat::{ChatConfig, WarpChatService};

/// The label of the credential the rig's pool has.
pub(crate) const LABEL: &str = "embedded";

/// Where a service is, seen from its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In this process.
    Local,
    /// Behind a TCP address.
    Tcp,
    /// Behind a unix socket.
    #[cfg(unix)]
    Unix,
}

impl Way {
    /// Every way this machine knows.
    pub(crate) const ALL: &[Self] = &[
        Self::Local,
        Self::Tcp,
        #[cfg(unix)]
        Self::Unix,
    ];
}

/// The services, and what they run on.
pub(crate) struct Rig {
    pub(crate) codec: GrpcEndpoint,
    pub(crate) token_pool: GrpcEndpoint,
    pub(crate) warp_chat: GrpcEndpoint,
    pub(crate) simulator: Simulator,
    doors: Doors,
}

impl Rig {
    /// All services. Ids of the upstream are the same each time; pauses between attempts are next to nothing.
    pub(crate) async fn start(way: Way) -> Self {
        let mut doors = Doors::new(way);
        let simulator = Simulator::new(SimulatorConfig::default().with_seed(7));
        let upstream = http_endpoint::local(simulator.router());
        let token_pool = doors.open(token_pool(upstream.clone())).await;
        let tasks = doors.shutdown.tasks.clone();
        let chat =
            WarpChatService::new(hasty(), upstream, token_pool.clone(), tasks).expect("usable settings");
        let warp_chat = doors.open(WarpChatServer::new(chat)).await;
        let codec = doors.open(CodecServer::new(CodecService::new())).await;
        Self { codec, token_pool, warp_chat, simulator, doors }
    }

    /// The endpoint of the service that `method` is of.
    pub(crate) fn endpoint(&self, method: &str) -> &GrpcEndpoint {
        match method.split('.').next() {
            Some("codec") => &self.codec,
            Some("token_pool") => &self.token_pool,
            _ => &self.warp_chat,
        }
    }

    pub(crate) async fn stop(self) {
        self.doors.close().await;
    }
}

/// A pool with the embedded upstream's key, which can be leased twice at once.
pub(crate) fn token_pool(upstream: HttpEndpoint) -> TokenPoolServer<TokenPoolService> {
    let exchange = TokenExchange {
        endpoint: upstream,
        url: "http://embedded.invalid/proxy/token".to_owned(),
        fallback_url: None,
        headers: Vec::new(),
    };
    let credential = NewCredential {
        tier: Tier::Personal,
        kind: Kind::ApiKey,
        display_name: Some(LABEL.to_owned()),
        secret: Secret::new(EmbeddedCredential::API_KEY),
    };
    let config = PoolConfig { max_in_flight: 2, ..PoolConfig::default() };
    TokenPoolServer::new(TokenPoolService::new(Pool::new(config, vec![credential], exchange)))
}

/// Settings that lose no time between two attempts.
pub(crate) fn hasty() -> ChatConfig {
    ChatConfig { retry_pause: std::time::Duration::from_millis(1), ..ChatConfig::default() }
}

/// Opens services in one way, each behind an address of its own.
pub(crate) struct Doors {
    way: Way,
    pub(crate) shutdown: Shutdown,
    folder: tempfile::TempDir,
    opened: usize,
}

impl Doors {
    pub(crate) fn new(way: Way) -> Self {
        let folder = tempfile::tempdir().expect("a folder for sockets");
        Self { way, shutdown: Shutdown::default(), folder, opened: 0 }
    }

    /// Serves `service` and gives the endpoint to call it by.
    pub(crate) async fn open<S>(&mut self, service: S) -> GrpcEndpoint
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.opened += 1;
        let address = match self.way {
            Way::Local => return endpoint::local(Routes::new(service)),
            Way::Tcp => Address::Tcp("127.0.0.1:0".to_owned()),
            #[cfg(unix)]
            Way::Unix => {
                let path = self.folder.path().join(format!("{}.sock", self.opened));
                Address::Unix(path.to_str().expect("a path that is text").to_owned())
            }
        };
        let listener = Listener::bind(&address, "--grpc-addr").await.expect("a free address");
        let place = match listener.local_address().expect("it knows where it listens") {
            Address::Tcp(address) => Place::Tcp(format!("http://{address}")),
            Address::Unix(path) => Place::Unix(path),
        };
        // As the house serves it, but for reflection and health: those take long to build, and there are many rigs.
        let router =
            Routes::new(service).prepare().into_axum_router().layer(PlainStatusLayer).layer(DeadlineLayer);
        let serving = serve(listener, router, ServeConfig::default(), self.shutdown.clone());
        self.shutdown.tasks.spawn(serving);
        endpoint::remote(&place).expect("an address of ours")
    }

    /// Ends everything at once.
    pub(crate) async fn close(self) {
        let Self { shutdown, folder, .. } = self;
        shutdown.drain.cancel();
        shutdown.abort.cancel();
        shutdown.tasks.close();
        let gone =
            tokio::time::timeout(warp2api_integration_tests::wait::PATIENCE, shutdown.tasks.wait()).await;
        assert!(gone.is_ok(), "a task was left behind");
        drop(folder);
    }
}
