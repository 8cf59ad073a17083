//! What a running process says of itself to those who look after it: who it is, where it listens, whether it stops. How
//! it is left and found, `note_file` knows.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use warp2api_rpc::tls::TlsFiles;

use super::whereabouts::Whereabouts;
use crate::app::Addresses;
use crate::config::{Role, Security};

/// A running process, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its process id.
    pub pid: u32,
    /// What it runs.
    pub role: String,
    /// Its version.
    pub version: String,
    /// When it was started.
    pub since: String,
    /// Since when it has been stopping, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping_since: Option<String>,
    /// Where its process id means something.
    #[serde(flatten)]
    pub whereabouts: Whereabouts,
    /// Where its edge listens.
    pub edge: Option<String>,
    /// Where its services listen.
    pub grpc: Option<String>,
    /// Where its embedded upstream listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Where `/metrics` is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// The file with the certificate that its edge shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_certificate: Option<PathBuf>,
    /// The file with the certificate that its services show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_certificate: Option<PathBuf>,
}

impl Note {
    /// The note of this process.
    pub fn of_this_process(role: Role, addresses: &Addresses) -> Self {
        let shown = |address: &Option<_>| address.as_ref().map(crate::banner::reachable);
        Self {
            pid: std::process::id(),
            role: role.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: time(SystemTime::now()),
            stopping_since: None,
            whereabouts: Whereabouts::here(),
            edge: shown(&addresses.edge),
            grpc: shown(&addresses.grpc),
            upstream: shown(&addresses.upstream),
            metrics: shown(&addresses.metrics),
            edge_certificate: None,
            grpc_certificate: None,
        }
    }

    /// With what the ports of the process show.
    #[must_use]
    pub fn with_certificates(mut self, security: &Security) -> Self {
        // Whoever reads it may be in another folder.
        let shown = |files: &Option<TlsFiles>| std::path::absolute(files.as_ref()?.cert.as_ref()?).ok();
        self.edge_certificate = self.edge.as_ref().and_then(|_| shown(&security.edge));
        self.grpc_certificate = self.grpc.as_ref().and_then(|_| shown(&security.grpc));
        self
    }

    /// What it runs, if this version knows it.
    pub(super) fn known_role(&self) -> Option<Role> {
        Role::named(&self.role)
    }

    /// Whether both are of one process, whatever else it says by now.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        (self.pid, &self.since, &self.whereabouts) == (other.pid, &other.since, &other.whereabouts)
    }

    /// Whether it listens at `address`, as a client on this machine writes it.
    pub(super) fn listens_at(&self, address: &str) -> bool {
        let own = [&self.edge, &self.grpc, &self.upstream, &self.metrics];
        own.into_iter().flatten().any(|own| own == address)
    }
}

/// A time as notes have it.
pub(super) fn time(time: SystemTime) -> String {
    prost_types::Timestamp::from(time).to_string()
}
