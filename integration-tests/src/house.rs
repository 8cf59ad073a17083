//! A whole system on ports of its own.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tonic::transport::Channel;
use warp2api_proto::token_pool::v1::GetPoolStatusRequest;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::warp::multi_agent::v1::Request;
use warp2api_rpc::endpoint::Place;
use warp2api_rpc::listener::Address;
use warp2api_server::app::{Addresses, App, Running};
use warp2api_server::config::{Config, Role, UpstreamChoice};
use warp2api_server::settings::Settings;
use warp2api_upstream_sim::{Record, Simulator, SimulatorConfig};

use crate::sse::Frames;
use crate::wait;

/// How the house is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One process: services call each other without a socket.
    InProcess,
    /// Five: gateway, chat, codec, pool and upstream, over TCP.
    Tcp,
    /// The same over unix sockets; the upstream over TCP.
    #[cfg(unix)]
    Unix,
}

impl Topology {
    /// Every way this machine knows.
    pub const ALL: &[Self] = &[
        Self::InProcess,
        Self::Tcp,
        #[cfg(unix)]
        Self::Unix,
    ];
}

/// A chat of one question.
pub fn ask(question: &str) -> Value {
    json!({ "model": "auto", "messages": [{ "role": "user", "content": question }] })
}

/// The body of an answer that is JSON.
///
/// # Panics
/// When it is none, or does not say so.
pub async fn json_of(response: reqwest::Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    let bytes = response.bytes().await.expect("a body");
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error} in {bytes:?}"))
}

/// A running house. Ends with [`House::close`], which looks whether something was left behind.
#[derive(Debug)]
pub struct House {
    /// The address of the edge, `http://127.0.0.1:port`.
    pub edge: String,
    /// Where TokenPool is.
    pub token_pool: Address,
    /// Where WarpChat is.
    pub warp_chat: Address,
    /// Where Codec is.
    pub codec: Address,
    /// The upstream, for scripting and for what it received.
    pub simulator: Simulator,
    /// A client without a pool of its own settings.
    pub http: reqwest::Client,
    /// The key with which the house's own tests ask the pool, if it wants one.
    admin_key: Option<String>,
    running: Vec<Running>,
    _folder: tempfile::TempDir,
}

/// What a house is to be like.
pub struct HouseBuilder {
    topology: Topology,
    remote_upstream: bool,
    simulator: Simulator,
    settings: Settings,
    tune: Box<dyn Fn(&mut Config) + Send + Sync>,
}

impl std::fmt::Debug for HouseBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HouseBuilder").field("topology", &self.topology).finish_non_exhaustive()
    }
}

impl House {
    /// A house in one process on the embedded upstream, to be changed before it starts.
    pub fn builder() -> HouseBuilder {
        HouseBuilder {
            topology: Topology::InProcess,
            remote_upstream: false,
            simulator: Simulator::new(SimulatorConfig::default()),
            settings: Settings::default(),
            tune: Box::new(|_| {}),
        }
    }

    /// A house as most tests want it.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// What the upstream received.
    pub fn record(&self) -> &Record {
        self.simulator.record()
    }

    /// Sends a chat and reads the whole answer: status and JSON.
    pub async fn chat(&self, body: &Value) -> (u16, Value) {
        let response = self.post(body).await;
        (response.status().as_u16(), json_of(response).await)
    }

    /// Sends a chat to be streamed and reads all frames.
    pub async fn stream(&self, body: &Value) -> Frames {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let response = self.post(&body).await;
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        Frames::parse(&response.text().await.expect("a body"))
    }

    /// The last conversation the upstream received.
    ///
    /// # Panics
    /// When it received none.
    pub fn last_request(&self) -> Request {
        let received = self.record().last_chat().expect("the upstream received a chat");
        received.request().expect("a request of the upstream's")
    }

    /// A request to the edge, to be refined and sent.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.edge))
    }

    /// Sends a chat.
    pub async fn post(&self, body: &Value) -> reqwest::Response {
        let request = self.http.post(format!("{}/v1/chat/completions", self.edge));
        let request = request.header("content-type", "application/json").body(body.to_string());
        request.send().await.expect("the edge answers")
    }

    /// A channel to one of the services.
    pub async fn channel(&self, address: &Address) -> Channel {
        let uri = match address {
            Address::Tcp(address) => format!("http://{address}"),
            Address::Unix(path) => format!("unix:{path}"),
        };
        tonic::transport::Endpoint::from_shared(uri).expect("an address").connect().await.expect("it listens")
    }

    /// How many leases are out.
    pub async fn leases(&self) -> i32 {
        let mut pool = TokenPoolClient::new(self.channel(&self.token_pool).await);
        let mut request = tonic::Request::new(GetPoolStatusRequest {});
        if let Some(key) = &self.admin_key {
            request.metadata_mut().insert("x-admin-key", key.parse().expect("a key that a header can have"));
        }
        pool.get_pool_status(request).await.expect("the pool answers").into_inner().in_flight_count
    }

    /// Waits until no lease is out and the upstream has nothing under way.
    pub async fn settle(&self) {
        wait::until("no stream is left at the upstream", || self.record().running() == 0).await;
        let settled = async {
            while self.leases().await > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(wait::PATIENCE, settled).await.expect("a lease was left behind");
    }

    /// Ends the house. Everything must come to its end by itself.
    pub async fn close(self) {
        self.settle().await;
        drop(self.http);
        for running in self.running {
            assert!(running.drain(std::future::pending()).await, "something did not finish");
        }
    }

    /// The parts of the house, to be stopped by the test.
    pub fn take_running(&mut self) -> Vec<Running> {
        std::mem::take(&mut self.running)
    }
}

impl HouseBuilder {
    /// Divides the house.
    #[must_use]
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }

    /// Puts the upstream behind a port, as if it were the real one: the house has the operator's credentials then,
    /// and no other. It must have some.
    #[must_use]
    pub fn remote_upstream(mut self) -> Self {
        self.remote_upstream = true;
        self
    }

    /// Runs it on this upstream.
    #[must_use]
    pub fn simulator(mut self, simulator: Simulator) -> Self {
        self.simulator = simulator;
        self
    }

    /// Keeps the pool in this folder, for a house that is to be opened again. Otherwise it ends with the house.
    #[must_use]
    pub fn kept_in(self, folder: &Path) -> Self {
        let folder = folder.display().to_string();
        self.settings(|settings| settings.data_dir = Some(folder))
    }

    /// Keeps the pool in this PostgreSQL, under this key.
    #[must_use]
    pub fn kept_in_postgres(self, url: &str, key: &str) -> Self {
        self.settings(|settings| {
            (settings.database_url, settings.store_key) = (Some(url.to_owned()), Some(key.to_owned()));
        })
    }

    /// Changes the settings, as an operator would.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes what settings cannot, in every part of the house.
    #[must_use]
    pub fn tune(mut self, tune: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        self.tune = Box::new(tune);
        self
    }

    /// Starts the house.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(mut self) -> House {
        let folder = tempfile::tempdir().expect("a folder for sockets");
        let mut running = Vec::new();
        if self.remote_upstream {
            let upstream = self.open(Role::Upstream, &folder, |_| {}, &mut running).await.upstream;
            self.settings.upstream = Some(format!("http://{}", upstream.expect("it listens")));
        }
        let addresses = match self.topology {
            Topology::InProcess => {
                let all = self.open(Role::All, &folder, |_| {}, &mut running).await;
                let grpc = all.grpc.clone().expect("it serves gRPC");
                [all.edge.expect("it has an edge"), grpc.clone(), grpc.clone(), grpc]
            }
            _ => self.split(&folder, &mut running).await,
        };
        let [edge, token_pool, warp_chat, codec] = addresses;
        House {
            edge: format!("http://{edge}"),
            token_pool,
            warp_chat,
            codec,
            simulator: self.simulator,
            http: client(),
            admin_key: self.settings.admin_key,
            running,
            _folder: folder,
        }
    }

    async fn split(&self, folder: &tempfile::TempDir, running: &mut Vec<Running>) -> [Address; 4] {
        let upstream = self.open(Role::Upstream, folder, |_| {}, running).await.upstream.expect("it listens");
        let token_pool = self.open(Role::TokenPool, folder, |_| {}, running).await.grpc.expect("it listens");
        let codec = self.open(Role::Codec, folder, |_| {}, running).await.grpc.expect("it listens");
        let scheme = if self.settings.grpc_tls_cert.is_some() { "https" } else { "http" };
        let pool_place = place(scheme, &token_pool);
        let with_pool = move |config: &mut Config| {
            config.places.token_pool = pool_place.clone();
            let url = format!("http://{upstream}");
            config.chat.upstream_url.clone_from(&url);
            config.upstream = UpstreamChoice::Remote(url);
        };
        let warp_chat = self.open(Role::WarpChat, folder, with_pool, running).await.grpc.expect("it listens");
        let chat_place = place(scheme, &warp_chat);
        let with_chat = move |config: &mut Config| config.places.warp_chat = chat_place.clone();
        let edge = self.open(Role::Gateway, folder, with_chat, running).await.edge.expect("it listens");
        [edge, token_pool, warp_chat, codec]
    }

    async fn open(
        &self,
        role: Role,
        folder: &tempfile::TempDir,
        change: impl FnOnce(&mut Config),
        running: &mut Vec<Running>,
    ) -> Addresses {
        let mut settings = self.settings.clone();
        settings.port = Some("0".to_owned());
        settings.upstream_addr = Some("127.0.0.1:0".to_owned());
        settings.upstream = settings.upstream.or_else(|| Some("embedded".to_owned()));
        if settings.data_dir.is_none() {
            settings.database_url = settings.database_url.or_else(|| Some("memory:".to_owned()));
        }
        settings.grpc_addr = settings.grpc_addr.or_else(|| Some(self.grpc_address(role, folder)));
        let mut config = Config::resolve(role, settings).expect("the settings are right");
        if matches!(config.upstream, UpstreamChoice::Embedded(_)) {
            config.upstream = UpstreamChoice::Embedded(self.simulator.clone());
        }
        config.drain_timeout = wait::PATIENCE;
        config.drain_window = Duration::ZERO;
        (self.tune)(&mut config);
        change(&mut config);
        let app = Box::pin(App::build(config)).await.expect("the house can be built");
        let addresses = app.addresses().expect("it knows where it listens");
        running.push(app.spawn());
        addresses
    }

    fn grpc_address(&self, role: Role, folder: &tempfile::TempDir) -> String {
        match self.topology {
            #[cfg(unix)]
            Topology::Unix => format!("unix:{}", folder.path().join(format!("{role:?}.sock")).display()),
            _ => {
                let _ = (role, folder);
                "127.0.0.1:0".to_owned()
            }
        }
    }
}

fn client() -> reqwest::Client {
    // The first one in the process wins; whoever was earlier chose the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().read_timeout(wait::PATIENCE).build().expect("a client")
}

fn place(scheme: &str, address: &Address) -> Place {
    match address {
        Address::Tcp(address) => Place::Tcp(format!("{scheme}://{address}")),
        Address::Unix(path) => Place::Unix(path.clone()),
    }
}
