//! What the edge can be told beforehand.

use std::time::Duration;

use warp2api_dialects::KeepAliveForm;

use crate::access::{AccessLimits, ApiKeys, KeptKeys, Origins};
use crate::kept::KeptLimits;

/// How the edge behaves.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Who may come in: keys of the settings.
    pub api_keys: ApiKeys,
    /// And keys that are kept in a file. Shared with whoever watches it.
    pub kept_keys: KeptKeys,
    /// Whether without any key only programs of this machine are answered: it listens where no others reach it, and
    /// nobody said that they may.
    pub this_machine_only: bool,
    /// How much they may do.
    pub limits: AccessLimits,
    /// Pages of other origins that browsers let use the edge.
    pub origins: Origins,
    /// The largest request body in bytes.
    pub max_body_bytes: usize,
    /// How long a request body may take to arrive.
    pub body_timeout: Duration,
    /// Whether images that a request names by URL are fetched.
    pub remote_images: RemoteImages,
    /// How long the images of a request may take to be fetched, all of them together.
    pub fetch_timeout: Duration,
    /// After how long a silence a stream gets a sign of life, so that proxies keep it open. Zero means never.
    pub keep_alive: Duration,
    /// What the sign of life is.
    pub keep_alive_form: KeepAliveForm,
    /// How many responses are kept, to be gone on after, and for how long.
    pub responses: KeptLimits,
    /// After how long a streamed request is answered with its head though nothing has come from the upstream yet.
    /// Until then a failure has its own status; after it, it is the last frame.
    pub commit_after: Duration,
}

impl GatewayConfig {
    /// Whether everybody may come in: no key was ever set.
    pub fn is_open(&self) -> bool {
        self.api_keys.is_empty() && self.kept_keys.never_had_any()
    }
}

/// Where images may be fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteImages {
    /// From nowhere: a request that names one is refused.
    Off,
    /// From public addresses.
    Public,
    /// From public addresses and from this machine. For tests, which have their servers here: it opens this machine
    /// to whoever writes a request, so no setting leads to it.
    PublicAndLoopback,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            api_keys: ApiKeys::default(),
            kept_keys: KeptKeys::default(),
            this_machine_only: true,
            limits: AccessLimits::default(),
            origins: Origins::default(),
            max_body_bytes: 32 * 1024 * 1024,
            body_timeout: Duration::from_secs(60),
            remote_images: RemoteImages::Off,
            fetch_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(15),
            keep_alive_form: KeepAliveForm::Comment,
            responses: KeptLimits::default(),
            commit_after: Duration::from_secs(15),
        }
    }
}
