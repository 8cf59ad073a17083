//! How commands reach a house over TLS, and what to set if they cannot. They read the settings of the services: whom to
//! trust is `W2A_SERVICE_CA`, what to show is `W2A_SERVICE_CERT` with its key. A command that runs beside the house trusts
//! the very certificate that the house shows, too. Verification is never switched off.

use std::path::Path;

use warp2api_rpc::tls::{ClientTls, TlsError, TlsFiles};

use crate::config::Config;

/// TLS of a command. `own` is the file with the certificate of the port, if it is a port of this house.
///
/// # Errors
/// When a file cannot be used.
pub(crate) fn tool(config: &Config, own: Option<&Path>) -> Result<ClientTls, TlsError> {
    let link = config.security.link.clone().unwrap_or_default();
    ClientTls::tool(TlsFiles { own: own.map(Path::to_owned), ..link })
}

/// TLS of a command that speaks none.
///
/// # Errors
/// When there is no TLS in this program.
pub(crate) fn none() -> Result<ClientTls, TlsError> {
    ClientTls::tool(TlsFiles::default())
}

/// What to set when `url` was not reached, as far as TLS is to blame. `words` are those of the failure.
pub(crate) fn advice(words: &str, url: &str, config: &Config) -> Option<&'static str> {
    let says = |needle: &str| words.contains(needle);
    let security = &config.security;
    if url.starts_with("unix:") {
        // There is no TLS on a socket.
        return None;
    }
    if !url.starts_with("https:") {
        // What TLS answers to plain text is no HTTP, or the connection is gone before it is read.
        let strange = ["invalid HTTP version", "http2 error", "connection closed", "frame with invalid size"];
        let gone = ["Connection reset", "connection reset", "Broken pipe", "broken pipe"];
        return strange.into_iter().chain(gone).any(says).then_some(
            "it may speak TLS: write https://, or set W2A_TLS_CERT and W2A_GRPC_TLS_CERT here as the server has them",
        );
    }
    if says("UnknownIssuer") {
        Some(
            "its certificate is not of a CA that is trusted here: name that CA with --ca FILE or W2A_SERVICE_CA, or set \
             W2A_TLS_CERT and W2A_GRPC_TLS_CERT here as the server has them",
        )
    } else if says("NotValidForName") || says("not valid for name") {
        Some(
            "its certificate is for another name: use one of its names in the address, or give it this one as well",
        )
    } else if says("Expired") || says("expired") {
        Some("its certificate has expired: renew it; the server reads its files again by itself")
    } else if says("invalid peer certificate") {
        Some("its certificate cannot be used, the words say why; --ca FILE or W2A_SERVICE_CA names its CA")
    } else if says("InvalidContentType") || says("corrupt message") {
        Some("it speaks no TLS: write http://, or leave the settings of TLS out")
    } else if says("CertificateRequired")
        || security.grpc.as_ref().is_some_and(|grpc| grpc.ca.is_some())
            && security.link.as_ref().is_none_or(|link| link.cert.is_none())
    {
        Some(
            "it wants a certificate: set W2A_SERVICE_CERT and W2A_SERVICE_KEY to one of the CA in W2A_GRPC_CLIENT_CA, and \
             W2A_SERVICE_CA to the CA of its own",
        )
    } else if says("UnknownCA")
        || says("BadCertificate")
        || says("CertificateUnknown")
        || says("DecryptError")
    {
        Some(
            "it refuses the certificate of W2A_SERVICE_CERT: that has to come from the CA in its W2A_GRPC_CLIENT_CA",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;
    use crate::settings::Settings;

    #[test]
    fn what_keeps_a_command_out_is_told_with_what_to_set() {
        let plain = Config::resolve(Role::Codec, Settings::default()).unwrap();
        let mut asking = plain.clone();
        asking.security.grpc = Some(TlsFiles { ca: Some("ca.pem".into()), ..TlsFiles::default() });
        let https = "https://127.0.0.1:1";
        for (words, url, config, advice) in [
            ("invalid peer certificate: UnknownIssuer", https, &plain, Some("--ca FILE or W2A_SERVICE_CA")),
            ("certificate not valid for name \"a\"", https, &plain, Some("another name")),
            ("invalid peer certificate: Expired", https, &plain, Some("expired")),
            ("received corrupt message of type InvalidContentType", https, &plain, Some("http://")),
            ("received fatal alert: CertificateRequired", https, &plain, Some("W2A_SERVICE_CERT")),
            ("received fatal alert: UnknownCA", https, &plain, Some("W2A_GRPC_CLIENT_CA")),
            ("connection closed before message completed", https, &asking, Some("W2A_SERVICE_CERT")),
            ("connection closed before message completed", https, &plain, None),
            ("invalid HTTP version parsed", "http://127.0.0.1:1", &plain, Some("https://")),
            ("Connection reset by peer (os error 104)", "http://127.0.0.1:1", &plain, Some("https://")),
            ("Connection refused", "http://127.0.0.1:1", &plain, None),
        ] {
            let told = super::advice(words, url, config);
            assert_eq!(told.is_some(), advice.is_some(), "{words}: {told:?}");
            assert!(advice.is_none_or(|advice| told.unwrap().contains(advice)), "{words}: {told:?}");
        }
    }
}
