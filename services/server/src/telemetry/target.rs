//! Where a signal is sent and how, by the settings. What is written for a signal alone wins over what is written for both;
//! headers too are one or the other, never mixed.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::values::{Value, Written};

/// Until a collector must have taken what is sent at once.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a signal is sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) protocol: Protocol,
    /// May hold a key behind the `?`: never shown.
    pub(super) url: String,
    /// May hold keys: never shown.
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    /// The CAs that the collector's certificate must come from.
    pub(super) authorities: Option<File>,
    /// The certificate that is shown to it, and its key.
    pub(super) identity: Option<(File, File)>,
    pub(super) gzip: bool,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { protocol, url, headers, timeout, authorities, identity, gzip } = self;
        let mut shown = f.debug_struct("Target");
        let url = url.split(['?', '#']).next();
        shown.field("protocol", protocol).field("url", &url).field("headers", &headers.len());
        shown.field("timeout", timeout).field("authorities", authorities).field("identity", identity);
        shown.field("gzip", gzip).finish()
    }
}

/// How OTLP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// A file, and the setting that named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) named: String,
}

impl From<Value<'_>> for File {
    fn from(value: Value<'_>) -> Self {
        Self { path: value.text.to_owned(), named: value.name() }
    }
}

/// One of the things that are sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signal {
    /// As the names of variables have it.
    pub(super) name: &'static str,
    /// What is added to the address for both.
    pub(super) path: &'static str,
    /// The names of exporters that are understood, and whether they send it by OTLP.
    pub(super) exporters: &'static [(&'static str, bool)],
}

pub(super) const TRACES: Signal =
    Signal { name: "TRACES", path: "/v1/traces", exporters: &[("otlp", true), ("none", false)] };
pub(super) const METRICS: Signal = Signal {
    name: "METRICS",
    path: "/v1/metrics",
    exporters: &[("otlp", true), ("prometheus", false), ("none", false)],
};

impl Signal {
    /// Where it is sent, if it is.
    pub(super) fn target(self, written: &Written<'_>) -> Result<Option<Target>, String> {
        let of_signal = |what| written.of_signal(self.name, what);
        let endpoint = of_signal("ENDPOINT");
        let wanted = match written.get(&format!("OTEL_{}_EXPORTER", self.name)) {
            None => endpoint.is_some(),
            Some(exporters) => exporters.some_of(self.exporters)?.contains(&true),
        };
        if !wanted {
            return Ok(None);
        }
        let protocols = [("grpc", Protocol::Grpc), ("http/protobuf", Protocol::Http)];
        let protocol = of_signal("PROTOCOL").map_or(Ok(Protocol::Http), |value| value.one_of(&protocols))?;
        let url = match (written.own(self.name, "ENDPOINT"), endpoint) {
            // One of its own is taken as it is.
            (Some(own), _) => address(own, protocol == Protocol::Http)?.to_owned(),
            (None, Some(general)) => self.below(address(general, false)?, protocol),
            (None, None) => self.below(protocol.usual(), protocol),
        };
        let https = url.starts_with("https:");
        let of_tls = |what| {
            let insecure = written.own(self.name, what).filter(|_| !https);
            insecure.map_or_else(|| Ok(of_signal(what).filter(|_| https)), |own| Err(own.wrong(NOT_HTTPS)))
        };
        let gzip = [("gzip", true), ("none", false)];
        let identity = match (of_tls("CLIENT_CERTIFICATE")?, of_tls("CLIENT_KEY")?) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (Some(alone), None) | (None, Some(alone)) => {
                return Err(
                    alone.wrong("a certificate and its key go together, and the other one is not set")
                );
            }
        };
        Ok(Some(Target {
            protocol,
            url,
            headers: of_signal("HEADERS").map_or_else(|| Ok(HeaderMap::new()), headers)?,
            timeout: of_signal("TIMEOUT").map_or(Ok(TIMEOUT), Value::some_millis)?,
            authorities: of_tls("CERTIFICATE")?.map(File::from),
            identity,
            gzip: of_signal("COMPRESSION").map_or(Ok(false), |value| value.one_of(&gzip))?,
        }))
    }

    fn below(self, address: &str, protocol: Protocol) -> String {
        match protocol {
            Protocol::Grpc => address.to_owned(),
            Protocol::Http => format!("{}{}", address.trim_end_matches('/'), self.path),
        }
    }
}

impl Protocol {
    /// Where a collector on this machine listens for it.
    fn usual(self) -> &'static str {
        match self {
            Self::Grpc => "http://127.0.0.1:4317",
            Self::Http => "http://127.0.0.1:4318",
        }
    }
}

const NOT_HTTPS: &str = "is for a collector at an https address, and this one is not";

/// That what is for TLS is of use to somebody.
pub(super) fn check_tls(written: &Written<'_>, targets: &[&Option<Target>]) -> Result<(), String> {
    let mut targets = targets.iter().filter_map(|target| target.as_ref()).peekable();
    if targets.peek().is_none() || targets.any(|target| target.url.starts_with("https:")) {
        return Ok(());
    }
    let of_tls = ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];
    let idle = of_tls.iter().find_map(|what| written.get(&format!("OTEL_EXPORTER_OTLP_{what}")));
    idle.map_or(Ok(()), |value| Err(value.wrong(NOT_HTTPS)))
}

/// An address that can be used. It is not shown where it cannot: it may hold a key.
fn address(value: Value<'_>, query: bool) -> Result<&str, String> {
    let uri: Option<http::Uri> = value.text.parse().ok();
    let authority = uri.as_ref().and_then(http::Uri::authority);
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        // Addresses are shown.
        return Err(value.wrong("must not hold a password; OTEL_EXPORTER_OTLP_HEADERS can"));
    }
    if value.text.contains('#') || (!query && value.text.contains('?')) {
        return Err(value.wrong(
            "must end before the `?`: a path is added to it, or gRPC knows none. A key can go into \
             OTEL_EXPORTER_OTLP_HEADERS, or into the address for one signal over http/protobuf",
        ));
    }
    let scheme = uri.as_ref().filter(|uri| uri.host().is_some()).and_then(http::Uri::scheme_str);
    match scheme {
        Some("http" | "https") => Ok(value.text),
        _ => Err(value.wrong("wants an http or https address such as http://127.0.0.1:4318")),
    }
}

fn headers(value: Value<'_>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, text) in value.pairs()? {
        let name = HeaderName::try_from(name).ok();
        // What is not ASCII cannot be sent everywhere.
        let text = HeaderValue::try_from(text).ok().filter(|text| text.to_str().is_ok());
        let (Some(name), Some(mut text)) = (name, text) else {
            return Err(value.wrong("holds what no header can have"));
        };
        text.set_sensitive(true);
        headers.insert(name, text);
    }
    Ok(headers)
}
