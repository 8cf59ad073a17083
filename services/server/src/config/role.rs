//! Which part of the house a process is.

/// Which rooms of the house a process opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// All services and the edge.
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
