//! Clients that can reach a collector: whom they believe, and what they show. Verification is never switched off.

use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::target::{File, Protocol, Target};

/// How long a connection may take, and the answer to a ping.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two pings, while something is being sent.
const ALIVE: Duration = Duration::from_secs(20);
/// Who sends.
const AGENT: &str = concat!("warp2api/", env!("CARGO_PKG_VERSION"));

/// Whether there is a way to `target`, as far as that can be known without going it.
pub(super) fn check(target: &Target) -> Result<(), String> {
    match target.protocol {
        Protocol::Grpc => endpoint(target).map(drop),
        Protocol::Http => client(target).map(drop),
    }
}

/// For gRPC.
pub(super) fn endpoint(target: &Target) -> Result<Endpoint, String> {
    let unusable = |error: tonic::transport::Error| format!("no way to the collector: {}", all_words(&error));
    let endpoint = Endpoint::from_shared(target.url.clone()).map_err(unusable)?;
    let endpoint = endpoint.user_agent(AGENT).map_err(unusable)?.tcp_nodelay(true).connect_timeout(CONNECT);
    // One that is gone without a word is noticed, and connected to anew.
    let endpoint = endpoint.http2_keep_alive_interval(ALIVE).keep_alive_timeout(CONNECT);
    if !target.url.starts_with("https:") {
        return Ok(endpoint);
    }
    // The same checks of the files, and the same words, as over HTTP.
    client(target)?;
    let mut tls = ClientTlsConfig::new();
    tls = match &target.authorities {
        Some(file) => tls.ca_certificate(Certificate::from_pem(file.read()?)),
        None => tls.with_native_roots(),
    };
    if let Some((certificate, key)) = &target.identity {
        tls = tls.identity(Identity::from_pem(certificate.read()?, key.read()?));
    }
    endpoint.tls_config(tls).map_err(unusable)
}

/// For HTTP.
pub(super) fn client(target: &Target) -> Result<reqwest::Client, String> {
    // The first one in the process wins; whoever was earlier chose the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut client = reqwest::Client::builder()
        .user_agent(AGENT)
        .connect_timeout(CONNECT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    if let Some(file) = &target.authorities {
        let found = reqwest::Certificate::from_pem_bundle(&file.read()?).ok().filter(|all| !all.is_empty());
        client = client.tls_certs_only(found.ok_or_else(|| file.holds_no("certificate"))?);
    }
    if let Some((certificate, key)) = &target.identity {
        let both = [key.read()?, b"\n".to_vec(), certificate.read()?].concat();
        let identity = reqwest::Identity::from_pem(&both);
        client = client.identity(identity.map_err(|_| certificate.holds_no("certificate with a key"))?);
    }
    client.build().map_err(|error| all_words(&error))
}

impl File {
    fn read(&self) -> Result<Vec<u8>, String> {
        let Self { path, named } = self;
        std::fs::read(path).map_err(|error| format!("{named}: cannot read {path}: {error}"))
    }

    fn holds_no(&self, what: &str) -> String {
        format!("{}: {} holds no {what} in PEM", self.named, self.path)
    }
}

/// The words of an error and of what caused it.
pub(super) fn all_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
