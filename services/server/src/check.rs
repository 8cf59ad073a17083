//! What settings name and the program cannot use, found before a port is bound: certificates, keys, proxies.

use crate::config::{Config, Role};
use crate::secured::Secured;
use crate::{keys, pool};

/// Opens what a start of the role would, and leaves it as it is.
///
/// # Errors
/// What cannot be used, and why.
pub fn files(config: &Config) -> anyhow::Result<()> {
    let has_edge = matches!(config.role, Role::All | Role::Gateway);
    let has_grpc = matches!(config.role, Role::All | Role::WarpChat | Role::Codec | Role::TokenPool);
    Secured::open(config, has_edge, has_grpc)?;
    if has_edge {
        keys::open(config.keys_file.as_deref(), &config.gateway, &config.edge, config.may_be_open)?;
    }
    if matches!(config.role, Role::All | Role::WarpChat | Role::TokenPool) {
        pool::remote(config)?;
    }
    Ok(())
}
