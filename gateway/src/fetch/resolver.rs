//! From a name to the addresses that may be connected to. Whoever connects uses these and asks no second time, so a
//! name cannot lead to one address when it is checked and to another when it is used.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::config::RemoteImages;

/// How many names are looked up at once. A lookup blocks a thread, for longer than anybody waits for it.
const MAX_LOOKUPS: usize = 16;

/// Looks names up and keeps the addresses that the policy permits.
#[derive(Debug, Clone)]
pub(crate) struct PermittedAddresses {
    policy: RemoteImages,
    look_up: LookUp,
    lookups: Arc<Semaphore>,
}

/// All addresses of a name. May block.
pub(crate) type LookUp = fn(&str) -> io::Result<Vec<IpAddr>>;

/// A name leads nowhere, or to no address that is permitted. Nobody is told which.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to no permitted address")]
pub(crate) struct NoPermittedAddress;

impl PermittedAddresses {
    /// Permits what the policy does, of what `look_up` finds.
    pub(crate) fn new(policy: RemoteImages, look_up: LookUp) -> Self {
        Self { policy, look_up, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }

    async fn addresses(self, name: String) -> Result<Vec<SocketAddr>, NoPermittedAddress> {
        let Self { policy, look_up, lookups } = self;
        let place = lookups.acquire_owned().await.map_err(|_| NoPermittedAddress)?;
        let found = spawn_blocking(move || {
            let found = look_up(&name);
            // Not sooner: the thread is taken until here, even if nobody waits for it any more.
            drop(place);
            found
        });
        let found = found.await.ok().and_then(Result::ok).unwrap_or_default();
        let permitted: Vec<_> = found
            .into_iter()
            .filter(|address| policy.permits(*address))
            // Port zero stands for the one in the URL.
            .map(|address| SocketAddr::new(address, 0))
            .collect();
        if permitted.is_empty() { Err(NoPermittedAddress) } else { Ok(permitted) }
    }
}

impl Resolve for PermittedAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move {
            let permitted: Addrs = Box::new(addresses.await?.into_iter());
            Ok(permitted)
        })
    }
}

/// Asks the system.
pub(crate) fn system(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses: &[&str] = match name {
            "public" => &["8.8.8.8", "2606:4700::1"],
            "private" => &["10.0.0.1", "127.0.0.1", "::1", "fd00::1"],
            "mixed" => &["10.0.0.1", "8.8.8.8", "::ffff:10.0.0.1", "127.0.0.1"],
            "empty" => &[],
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }

    async fn resolve(policy: RemoteImages, name: &str) -> Result<Vec<String>, String> {
        let resolver = PermittedAddresses::new(policy, look_up);
        match resolver.resolve(name.parse().unwrap()).await {
            Ok(addresses) => Ok(addresses.map(|address| address.to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn only_permitted_addresses_are_handed_out() {
        let public = |name| resolve(RemoteImages::Public, name);

        assert_eq!(public("public").await.unwrap(), ["8.8.8.8:0", "[2606:4700::1]:0"]);
        assert_eq!(public("mixed").await.unwrap(), ["8.8.8.8:0"]);
        let with_loopback = resolve(RemoteImages::PublicAndLoopback, "mixed").await.unwrap();
        assert_eq!(with_loopback, ["8.8.8.8:0", "127.0.0.1:0"]);
    }

    #[tokio::test]
    async fn a_private_name_sounds_like_one_that_does_not_exist() {
        for name in ["private", "empty", "unknown"] {
            let error = resolve(RemoteImages::Public, name).await.unwrap_err();
            assert_eq!(error, "the name leads to no permitted address", "{name}");
        }
    }

    #[test]
    fn the_system_knows_this_machine() {
        let found = system("localhost").unwrap();

        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    }
}
