//! Which part of the house a process is.

use crate::settings::Settings;

/// Which rooms of the house a process opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// All services and the edge.
    #[value(alias = "serve")]
    All,
    /// The edge.
    Gateway,
    /// WarpChat.
    WarpChat,
    /// Codec.
    Codec,
    /// TokenPool.
    TokenPool,
    /// The embedded upstream on a port.
    Upstream,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::All, Self::Gateway, Self::WarpChat, Self::Codec, Self::TokenPool, Self::Upstream];

    /// The one that a command opens.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it has the edge.
    pub fn has_edge(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }

    /// Whether it has services on the port for gRPC.
    pub fn has_services(self) -> bool {
        !matches!(self, Self::Gateway | Self::Upstream)
    }

    /// Whether it has the pool.
    pub fn has_pool(self) -> bool {
        matches!(self, Self::All | Self::TokenPool)
    }

    /// What is wrong with settings that do not say where the services are that this part calls. It would look for them at
    /// the usual place of this machine, where in most houses in several processes nobody is.
    pub fn missing_place(self, settings: &Settings) -> Option<String> {
        let (key, variable, is_written) = match self {
            Self::Gateway => (
                "warp_chat",
                "W2A_WARP_CHAT",
                settings.warp_chat.is_some() || settings.warp_bridge_url.is_some(),
            ),
            Self::WarpChat => ("token_pool", "W2A_TOKEN_POOL", settings.token_pool.is_some()),
            Self::All | Self::Codec | Self::TokenPool | Self::Upstream => return None,
        };
        let usual = crate::config::SERVICES_HERE;
        let words = format!("{key} ({variable}): is not set; a {} would call {usual}", self.name());
        (!is_written).then_some(words)
    }

    /// The command that opens them.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "serve",
            Self::Gateway => "gateway",
            Self::WarpChat => "warp-chat",
            Self::Codec => "codec",
            Self::TokenPool => "token-pool",
            Self::Upstream => "upstream",
        }
    }
}
