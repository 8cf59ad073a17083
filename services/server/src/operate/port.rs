//! A port of a house, on TCP or on a unix socket, as a command asks it.

use std::path::PathBuf;

/// A port of a house.
#[derive(Debug, Clone)]
pub(super) struct Port {
    /// As people are told, without a slash at the end: `http://127.0.0.1:28888` or `unix:/run/warp2api.sock`.
    pub(super) url: String,
    /// The file with the certificate it shows, if it is known.
    pub(super) certificate: Option<PathBuf>,
}

impl Port {
    /// `address` is `host:port` or `unix:/path`; there is no TLS on the latter.
    pub(super) fn of(scheme: &str, address: &str, certificate: Option<PathBuf>) -> Self {
        if address.starts_with("unix:") {
            return Self { url: address.to_owned(), certificate: None };
        }
        Self { url: format!("{scheme}://{address}"), certificate }
    }

    /// Where a process says that it listens. Those that do not say whether over TLS do as the settings have it.
    pub(super) fn noted(address: &str, certificate: Option<&PathBuf>, before: &Self) -> Self {
        let scheme = if certificate.is_some() || before.url.starts_with("https:") { "https" } else { "http" };
        Self::of(scheme, address, certificate.cloned().or_else(|| before.certificate.clone()))
    }

    /// The URL of `path` there. On a unix socket the host means nothing.
    pub(super) fn at(&self, path: &str) -> String {
        if self.socket().is_some() {
            format!("http://localhost{path}")
        } else {
            format!("{}{path}", self.url)
        }
    }

    /// The unix socket it is, if it is one.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        self.url.strip_prefix("unix:").map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_asked_like_a_port_and_has_no_tls() {
        let certificate = Some(PathBuf::from("cert.pem"));
        let tcp = Port::of("https", "127.0.0.1:1", certificate.clone());
        assert_eq!((tcp.at("/readyz").as_str(), tcp.socket()), ("https://127.0.0.1:1/readyz", None));
        let unix = Port::of("https", "unix:/run/a.sock", certificate);
        assert_eq!(unix.at("/readyz"), "http://localhost/readyz");
        assert_eq!((unix.socket(), unix.certificate), (Some("/run/a.sock".into()), None));
    }

    #[test]
    fn a_note_that_says_nothing_of_tls_is_read_as_the_settings_have_it() {
        let before = Port::of("https", "127.0.0.1:1", None);
        assert_eq!(Port::noted("127.0.0.1:2", None, &before).url, "https://127.0.0.1:2");
        assert_eq!(Port::noted("unix:/a", None, &before).url, "unix:/a");
        let plain = Port::of("http", "127.0.0.1:1", None);
        assert_eq!(Port::noted("127.0.0.1:2", Some(&"c".into()), &plain).url, "https://127.0.0.1:2");
    }
}
