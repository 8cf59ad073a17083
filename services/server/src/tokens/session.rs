//! Where the pool is: in the service that runs, or else in its store, which this process then opens for as long as the
//! command takes. No port is opened, no chat is served, and the credentials of the settings are left alone: they are the
//! service's, and may be others than those that are set here.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPoolServer;
use warp2api_rpc::admin_keys::named_keys;
use warp2api_rpc::endpoint::{self, Place};
use warp2api_rpc::listener::Address;
use warp2api_rpc::tls::ClientTls;
use warp2api_rpc::{Caller, GrpcEndpoint};
use warp2api_token_pool::store::OpenError;
use warp2api_token_pool::{Accounts, TokenPoolService};

use super::client::Client;
use super::failure::Failure;
use crate::config::{Config, Role};
use crate::pool;
use crate::secured::Secured;
use crate::settings::Settings;
use crate::trust;

/// How long a connection may take until nobody is there.
const CONNECT: Duration = Duration::from_secs(5);
const MAX_USER: usize = 32;

/// A pool at hand.
pub(super) struct Session {
    pub(super) client: Client,
    /// The pool, if it is in this process.
    accounts: Option<Accounts>,
}

impl Session {
    /// Stores what there is to store.
    pub(super) async fn close(self) {
        if let Some(accounts) = self.accounts {
            accounts.pool().close().await;
        }
    }
}

/// Finds the pool, and says on standard error where. A store that is only looked at stays as it is, and is not made.
pub(super) async fn open(mut settings: Settings, only_looks: bool) -> Result<Session, Failure> {
    let keys = settings.admin_key.clone().unwrap_or_default();
    let key = named_keys(&keys, "").first().map(|(_, key)| *key);
    let of_the_service = [
        &mut settings.warp_api_key,
        &mut settings.warp_jwt,
        &mut settings.warp_refresh_token,
        &mut settings.warp_personal_tokens,
        &mut settings.warp_shared_tokens,
        &mut settings.warp_anonymous_token,
    ];
    of_the_service.into_iter().for_each(|setting| *setting = None);
    let config = Config::resolve(Role::TokenPool, settings)?;
    if config.places.token_pool != Place::Local {
        return service(&config.places.token_pool, &config, key, None);
    }
    let address = reachable(&config.grpc);
    match connect(&address).await {
        Ok(()) => {
            let place = place(&address, config.security.grpc_scheme());
            let tls = trust::tool(&config, own_certificate(&config));
            let tls =
                tls.map_err(|error| Failure::Tls { words: format!("{:#}", anyhow::Error::from(error)) })?;
            service(&place, &config, key, Some(tls))
        }
        Err(error) if is_nobody(&error) && address.is_loopback() => store(config, &address, only_looks).await,
        Err(error) => Err(Failure::Unreachable { place: address.to_string(), words: error.to_string() }),
    }
}

/// The certificate of the services that run with these settings.
fn own_certificate(config: &Config) -> Option<&Path> {
    config.security.grpc.as_ref()?.cert.as_deref()
}

fn service(
    place: &Place,
    config: &Config,
    key: Option<&str>,
    tls: Option<ClientTls>,
) -> Result<Session, Failure> {
    let shown = place.to_string();
    let shown = shown.strip_prefix("http://").unwrap_or(&shown).to_owned();
    let unreachable =
        |error: anyhow::Error| Failure::Unreachable { place: shown.clone(), words: format!("{error:#}") };
    let mut link = Secured::open(config, false, false).map_err(unreachable)?.link;
    link.tls = tls.or(link.tls);
    let endpoint = endpoint::linked(place, &link).map_err(|error| unreachable(error.into()))?;
    crate::aside!("talking to the service at {shown}");
    let client = Client::new(endpoint, key, shown)?.of_service(place, config);
    Ok(Session { client, accounts: None })
}

async fn store(mut config: Config, address: &Address, only_looks: bool) -> Result<Session, Failure> {
    let place = address.to_string();
    if config.store.is_memory() {
        return Err(Failure::NoStore { place });
    }
    let failed = |error: anyhow::Error| match error.downcast::<OpenError>() {
        Ok(OpenError::Held { path, holder }) => Failure::Held { place: place.clone(), path, holder },
        Ok(error) => Failure::Open { place: place.clone(), error: error.into() },
        Err(error) => Failure::Open { place: place.clone(), error },
    };
    let store = if only_looks { config.store.look().await } else { config.store.open().await };
    let store = store.map_err(failed)?;
    // Whoever asks about credentials asks where they are from.
    config.settle_upstream(true)?;
    let upstream = pool::upstream(&config).map_err(failed)?;
    let accounts = pool::accounts_as_stored(&config, upstream, store).await.map_err(failed)?;
    crate::aside!("no service at {place}: opened the store itself, {}", config.store);
    let service = TokenPoolServer::new(TokenPoolService::with_accounts(accounts.clone()));
    let endpoint = called_by(user().as_deref(), endpoint::local(Routes::new(service)));
    let client = Client::new(endpoint, None, config.store.to_string())?;
    Ok(Session { client, accounts: Some(accounts) })
}

/// The endpoint, called by a user of this machine.
fn called_by(user: Option<&str>, endpoint: GrpcEndpoint) -> GrpcEndpoint {
    let caller = user.map_or_else(Caller::local, |user| Caller::named(&format!("local:{user}")));
    BoxCloneSyncService::new(endpoint.map_request(move |mut request: http::Request<Body>| {
        request.extensions_mut().insert(caller.clone());
        request
    }))
}

/// Who the system says this is, as far as a name goes.
#[expect(clippy::disallowed_methods, reason = "the platform says it in the environment")]
fn user() -> Option<String> {
    let named = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok())?;
    let fits = |c: &char| c.is_alphanumeric() || "._-@+\\".contains(*c);
    Some(named.chars().filter(fits).take(MAX_USER).collect()).filter(|name: &String| !name.is_empty())
}

/// The address at which this machine reaches one that listens at `address`.
fn reachable(address: &Address) -> Address {
    let Address::Tcp(text) = address else { return address.clone() };
    let local = [("0.0.0.0:", "127.0.0.1:"), ("[::]:", "[::1]:")];
    let port = local.iter().find_map(|(any, here)| Some(format!("{here}{}", text.strip_prefix(any)?)));
    port.map_or_else(|| address.clone(), Address::Tcp)
}

fn place(address: &Address, scheme: &str) -> Place {
    match address {
        Address::Tcp(text) => Place::Tcp(format!("{scheme}://{text}")),
        Address::Unix(path) => Place::Unix(path.clone()),
    }
}

/// Whether somebody listens.
async fn connect(address: &Address) -> io::Result<()> {
    let connected = async {
        match address {
            // No port, but a wish for one.
            Address::Tcp(text) if text.ends_with(":0") => Err(ErrorKind::ConnectionRefused.into()),
            Address::Tcp(text) => TcpStream::connect(text.as_str()).await.map(drop),
            #[cfg(unix)]
            Address::Unix(path) => tokio::net::UnixStream::connect(path).await.map(drop),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::Error::other("this platform has no unix sockets")),
        }
    };
    timeout(CONNECT, connected).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_for_everybody_is_reached_on_this_machine() {
        for (listens, reached) in [
            ("0.0.0.0:28888", "127.0.0.1:28888"),
            ("[::]:1", "[::1]:1"),
            ("127.0.0.1:28888", "127.0.0.1:28888"),
            ("10.0.0.5:28888", "10.0.0.5:28888"),
            ("unix:/run/w.sock", "unix:/run/w.sock"),
        ] {
            assert_eq!(reachable(&listens.parse().unwrap()).to_string(), reached);
        }
    }
}
