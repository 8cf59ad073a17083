//! Whom a tool trusts that looks after a house: the very certificate that the house shows, which the tool reads from the
//! same file, and besides that what comes from a CA that was named or from one of the system's. Nothing else is let
//! through: a peer that shows the house's certificate has to prove that it has the key.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::{TlsError, TlsFiles, certificates, identity, provider, roots};

#[derive(Debug)]
struct OwnOrKnown {
    /// A name that does not fit it does no harm: it is reached as `127.0.0.1`, whatever it is called outside.
    own: Option<CertificateDer<'static>>,
    known: Vec<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

/// What a tool uses with these files.
pub(super) fn read_tool(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let own = match &files.own {
        Some(path) => certificates(path)?.into_iter().next(),
        None => None,
    };
    let mut known: Vec<Arc<dyn ServerCertVerifier>> = Vec::new();
    if let Some(path) = &files.ca {
        let roots = Arc::new(roots(path)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
        known.push(verifier.map_err(TlsError::Ca)?);
    }
    // A system may have no CAs at all.
    if let Ok(system) = rustls_platform_verifier::Verifier::new(provider.clone()) {
        known.push(Arc::new(system));
    }
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OwnOrKnown { own, known, provider }));
    let mut config = match identity(files)? {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsError::Unusable)?,
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl ServerCertVerifier for OwnOrKnown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.own.as_ref().is_some_and(|own| own == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let stranger = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let mut refusal = stranger.clone();
        for known in &self.known {
            match known.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                Ok(verified) => return Ok(verified),
                // One that knows the issuer knows better what is wrong.
                Err(error) if refusal == stranger => refusal = error,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use rustls::{ClientConnection, ServerConnection};

    use super::*;
    use crate::tls::{ClientTls, ServerTls};

    /// A certificate for a name that is not this machine's, and its key, in files.
    fn pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let pair = rcgen::generate_simple_self_signed(["house.example".to_owned()]).unwrap();
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&cert, pair.cert.pem()).unwrap();
        std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        (cert, key)
    }

    /// What comes of a handshake in memory, as the client sees it.
    fn handshake(client: &ClientTls, server: &ServerTls, name: &str) -> Result<(), Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(client.get(), name).unwrap();
        let mut server = ServerConnection::new(server.get()).unwrap();
        for _ in 0..8 {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            server.read_tls(&mut &bytes[..]).unwrap();
            drop(server.process_new_packets());
            let mut bytes = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            client.read_tls(&mut &bytes[..]).unwrap();
            client.process_new_packets()?;
        }
        assert!(!client.is_handshaking());
        Ok(())
    }

    #[test]
    fn a_tool_trusts_the_certificate_of_its_house_under_any_name_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (pair(folder.path(), "ours"), pair(folder.path(), "theirs"));
        let server = |(cert, key): &(PathBuf, PathBuf)| {
            let (cert, key) = (Some(cert.clone()), Some(key.clone()));
            ServerTls::server(TlsFiles { cert, key, ..TlsFiles::default() }).unwrap()
        };
        let tool = |own: Option<&PathBuf>, ca: Option<&PathBuf>| {
            ClientTls::tool(TlsFiles { own: own.cloned(), ca: ca.cloned(), ..TlsFiles::default() }).unwrap()
        };
        let (own, other) = (Some(&ours.0), Some(&theirs.0));
        for (who, tool, name, trusted) in [
            (&ours, tool(own, None), "127.0.0.1", true),
            (&theirs, tool(own, None), "127.0.0.1", false),
            (&theirs, tool(own, None), "house.example", false),
            (&ours, tool(own, other), "127.0.0.1", true),
            // What is trusted as a CA has to have the right name.
            (&theirs, tool(own, other), "house.example", true),
            (&theirs, tool(own, other), "127.0.0.1", false),
            (&ours, tool(None, None), "house.example", false),
        ] {
            assert_eq!(handshake(&tool, &server(who), name).is_ok(), trusted, "{name}: {who:?}");
        }
    }
}
