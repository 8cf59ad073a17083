//! Where a house is, and how to be let in, by its settings and by the notes of what runs.

use warp2api_rpc::admin_keys::named_keys;
use warp2api_rpc::tls::TlsFiles;

use super::note::Note;
use super::port::Port;
use crate::banner::reachable;
use crate::config::Config;
use crate::settings::Settings;
use crate::trust;

/// Where a house is, and how to be let in. Has no `Debug`: it would show keys.
pub(super) struct House {
    pub(super) config: Config,
    pub(super) edge: Port,
    pub(super) services: Port,
    /// Whether the edge was named on the command line.
    pub(super) is_named: bool,
    /// Whether a process of the data folder says that the edge is its own, and whether the services are.
    pub(super) own_edge: bool,
    pub(super) own_services: bool,
    pub(super) api_key: Option<String>,
    pub(super) admin_key: Option<String>,
}

impl House {
    pub(super) fn new(
        config: Config,
        settings: &Settings,
        url: Option<&String>,
        key: Option<&String>,
    ) -> Self {
        let first = |keys: &Option<String>| {
            let (_, key) = named_keys(keys.as_deref()?, "").into_iter().next()?;
            Some(key.to_owned())
        };
        let certificate = |files: &Option<TlsFiles>| files.as_ref().and_then(|files| files.cert.clone());
        let security = &config.security;
        let own = || Port::of(security.edge_scheme(), &reachable(&config.edge), certificate(&security.edge));
        // As clients see it, who know no file of this machine.
        let edge = url.map_or_else(own, |url| {
            let url = url.trim_end_matches('/');
            Port { url: url.strip_suffix("/v1").unwrap_or(url).to_owned(), certificate: None }
        });
        let services =
            Port::of(security.grpc_scheme(), &reachable(&config.grpc), certificate(&security.grpc));
        Self {
            edge,
            services,
            is_named: url.is_some(),
            own_edge: false,
            own_services: false,
            api_key: key.cloned().or_else(|| first(&settings.api_token)),
            admin_key: first(&settings.admin_key),
            config,
        }
    }

    /// Goes to where running processes say that they listen. An edge that was named stays the one.
    pub(super) fn at(mut self, notes: &[Note]) -> Self {
        let noted = notes.iter().find_map(|note| Some((note, note.edge.clone()?)));
        if let Some((note, edge)) = noted.filter(|_| !self.is_named) {
            self.edge = Port::noted(&edge, note.edge_certificate.as_ref(), &self.edge);
            self.own_edge = true;
        }
        if let Some((note, services)) = notes.iter().find_map(|note| Some((note, note.grpc.clone()?))) {
            self.services = Port::noted(&services, note.grpc_certificate.as_ref(), &self.services);
            self.own_services = true;
        }
        self
    }

    /// What keeps a command from a port, and what to set.
    pub(super) fn advised(&self, port: &Port, words: String) -> String {
        match trust::advice(&words, &port.url, &self.config) {
            Some(advice) => format!("{words}; {advice}"),
            None => words,
        }
    }
}
