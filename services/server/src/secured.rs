//! The files and tokens that protect the ports, opened: what listeners show, and what services show each other.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp2api_rpc::listener::Address;
use warp2api_rpc::serve::ServeConfig;
use warp2api_rpc::tls::{ClientTls, ServerTls, TlsFiles};
use warp2api_rpc::{Guard, Link};

use crate::config::Config;

/// What protects the ports.
#[derive(Debug)]
pub(crate) struct Secured {
    edge: Option<ServerTls>,
    grpc: Option<ServerTls>,
    /// How services reach each other.
    pub(crate) link: Link,
}

impl Secured {
    /// Reads the files that the role needs.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(crate) fn open(config: &Config, has_edge: bool, has_grpc: bool) -> anyhow::Result<Self> {
        let server = |files: &Option<TlsFiles>, wanted: bool| {
            files.clone().filter(|_| wanted).map(ServerTls::server).transpose()
        };
        let security = &config.security;
        Ok(Self {
            edge: server(&security.edge, has_edge)?,
            grpc: server(&security.grpc, has_grpc)?,
            link: Link {
                tokens: security.tokens.clone(),
                chat_tokens: security.chat_tokens.clone(),
                tls: security.link.clone().map(ClientTls::client).transpose()?,
            },
        })
    }

    /// How the edge is served.
    pub(crate) fn serve_edge(&self, config: &Config) -> ServeConfig {
        ServeConfig { name: "edge", tls: self.edge.clone(), ..config.security.serve.clone() }
    }

    /// How the services are served.
    pub(crate) fn serve_grpc(&self, config: &Config) -> ServeConfig {
        ServeConfig { name: "grpc", tls: self.grpc.clone(), ..config.security.serve.clone() }
    }

    /// Who may call what of the services at `address`.
    pub(crate) fn guard(&self, config: &Config, address: &Address) -> Guard {
        let guard = Guard::new(config.admin_keys.clone(), address).with_tokens(self.link.tokens.clone());
        let guard = guard.with_chat_tokens(config.security.chat_tokens.clone());
        let asks_for_certificates = config.security.grpc.as_ref().is_some_and(|files| files.ca.is_some());
        let guard = if asks_for_certificates && !address.is_loopback() { guard.certified() } else { guard };
        if config.may_be_open { guard.open() } else { guard }
    }

    /// Looks after the files.
    pub(crate) fn keep(self, tasks: &TaskTracker, until: &CancellationToken) {
        for tls in [self.edge, self.grpc].into_iter().flatten() {
            tasks.spawn(tls.keep(until.clone()));
        }
        if let Some(tls) = self.link.tls {
            tasks.spawn(tls.keep(until.clone()));
        }
    }
}
