//! The bridge's own HTTP: the paths of the Python bridge that this service replaces, with the same keys in requests and
//! answers, as thin clients of the services. Decides nothing about chats or credentials, and holds no
//! state but a short memory of what its codec was asked.

pub mod monitor;
pub mod original;

use warp2api_rpc::{GrpcEndpoint, Guard};

/// What the bridge is in front of. A service that is not reachable from here has no paths.
#[derive(Debug, Clone)]
pub struct Services {
    /// Codec.
    pub codec: Option<GrpcEndpoint>,
    /// TokenPool.
    pub token_pool: Option<GrpcEndpoint>,
    /// WarpChat.
    pub warp_chat: Option<GrpcEndpoint>,
    /// Who may call what.
    pub guard: Guard,
}
