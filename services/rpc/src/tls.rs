//! TLS from files: for listeners, with a CA for the certificates of clients where they must have one, and for calls
//! between services. Files that change are read again; connections that are open keep what they have.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;

use crate::live::Live;

mod own;

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Files with certificates and keys in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The own certificate, with those between it and its CA.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The CAs that the other side's certificate must come from.
    pub ca: Option<PathBuf>,
    /// The very certificate that the other side shows, where that is known because it is this house's own.
    pub own: Option<PathBuf>,
}

/// Files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One cannot be read, or does not hold what it should.
    #[error("cannot read {what} from {path}")]
    File {
        /// What it should hold.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// One that is needed was not named.
    #[error("{0} is needed for TLS")]
    Missing(&'static str),
    /// They do not fit each other.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// The CAs are none.
    #[error("the file of CAs cannot be used")]
    Ca(#[source] rustls::server::VerifierBuilderError),
}

/// What a listener shows, and whom it lets in.
pub type ServerTls = Kept<ServerConfig>;
/// Whom a client trusts, and what it shows.
pub type ClientTls = Kept<ClientConfig>;

/// TLS of one side, as its files are now.
#[derive(Debug)]
pub struct Kept<C> {
    files: TlsFiles,
    read: fn(&TlsFiles) -> Result<C, TlsError>,
    live: Live<C>,
}

impl<C> Clone for Kept<C> {
    fn clone(&self) -> Self {
        Self { files: self.files.clone(), read: self.read, live: self.live.clone() }
    }
}

impl ServerTls {
    /// Reads a listener's files: certificate and key, and if clients must have a certificate, the CAs.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn server(files: TlsFiles) -> Result<Self, TlsError> {
        Self::open(files, read_server)
    }
}

impl ClientTls {
    /// Reads a client's files: the CAs, and if it has to show one, certificate and key.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn client(files: TlsFiles) -> Result<Self, TlsError> {
        Self::open(files, read_client)
    }

    /// Reads the files of a tool that looks after a house: it trusts the certificate that the house shows, the CAs and
    /// the system's, whichever there are.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn tool(files: TlsFiles) -> Result<Self, TlsError> {
        Self::open(files, own::read_tool)
    }
}

impl<C: Send + Sync + 'static> Kept<C> {
    fn open(files: TlsFiles, read: fn(&TlsFiles) -> Result<C, TlsError>) -> Result<Self, TlsError> {
        let live = Live::new(read(&files)?);
        Ok(Self { files, read, live })
    }

    /// What new connections use.
    pub(crate) fn get(&self) -> Arc<C> {
        self.live.get()
    }

    /// Looks at the files again and again. What cannot be used is told, and what was before goes on.
    pub async fn keep(self, until: CancellationToken) {
        let mut seen = self.seen();
        loop {
            tokio::select! {
                () = until.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let now = self.seen();
            if now == seen {
                continue;
            }
            seen = now;
            match (self.read)(&self.files) {
                Ok(config) => {
                    self.live.set(config);
                    tracing::info!(files = ?self.files, "certificates were read again");
                }
                Err(error) => {
                    tracing::error!(%error, files = ?self.files, "the certificates stay as they were")
                }
            }
        }
    }

    fn seen(&self) -> Vec<Option<(SystemTime, u64)>> {
        let files = [&self.files.cert, &self.files.key, &self.files.ca, &self.files.own];
        let seen = |path: &PathBuf| {
            std::fs::metadata(path).and_then(|known| Ok((known.modified()?, known.len()))).ok()
        };
        files.into_iter().flatten().map(seen).collect()
    }
}

fn read_server(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let (chain, key) = identity(files)?.ok_or(TlsError::Missing("a certificate with its key"))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = match &files.ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(TlsError::Ca)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn read_client(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let path = files.ca.as_ref().ok_or(TlsError::Missing("a file of CAs"))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_root_certificates(roots(path)?);
    let mut config = match identity(files)? {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsError::Unusable)?,
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(files: &TlsFiles) -> Result<Option<Identity>, TlsError> {
    match (&files.cert, &files.key) {
        (Some(cert), Some(path)) => {
            let what = "a private key";
            let key = PrivateKeyDer::from_pem_file(path);
            let key = key.map_err(|source| TlsError::File { what, path: path.clone(), source })?;
            Ok(Some((certificates(cert)?, key)))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(TlsError::Missing("the key of the certificate")),
        (None, Some(_)) => Err(TlsError::Missing("the certificate of the key")),
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(TlsError::Unusable)?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { what: "certificates", path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<Vec<_>, _>>();
    let found = found.map_err(failed)?;
    if found.is_empty() { Err(failed(rustls::pki_types::pem::Error::NoItemsFound)) } else { Ok(found) }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("warp2api-tls-{}.pem", uuid::Uuid::new_v4()));
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_with_the_file_and_not_its_content() {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let cert = Some(written(&pair.cert.pem()));
        let key = Some(written(&pair.signing_key.serialize_pem()));
        let wrong_key = Some(written(&other.signing_key.serialize_pem()));
        let text = Some(written("planted"));
        let files = |cert: &Option<PathBuf>, key: &Option<PathBuf>, ca: &Option<PathBuf>| TlsFiles {
            cert: cert.clone(),
            key: key.clone(),
            ca: ca.clone(),
            own: None,
        };

        assert!(ServerTls::server(files(&cert, &key, &None)).is_ok());
        assert!(ServerTls::server(files(&cert, &key, &cert)).is_ok(), "with CAs");
        assert!(ClientTls::client(files(&None, &None, &cert)).is_ok());
        assert!(ClientTls::client(files(&cert, &key, &cert)).is_ok());
        let failed = [
            ServerTls::server(files(&cert, &None, &None)).map(drop),
            ServerTls::server(files(&None, &None, &None)).map(drop),
            ServerTls::server(files(&cert, &wrong_key, &None)).map(drop),
            ServerTls::server(files(&text, &key, &None)).map(drop),
            ServerTls::server(files(&cert, &text, &None)).map(drop),
            ServerTls::server(files(&cert, &key, &text)).map(drop),
            ServerTls::server(files(&cert, &Some("/nowhere.pem".into()), &None)).map(drop),
            ClientTls::client(files(&cert, &key, &None)).map(drop),
        ];
        for error in failed {
            let error = error.unwrap_err();
            assert!(!format!("{error:?}").contains("planted"), "{error:?}");
        }
    }
}
