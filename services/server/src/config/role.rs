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
