//! The file of API keys beside the house: found, read at the start, and watched, so that a key that is added or taken
//! back counts within seconds.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use warp2api_gateway::{GatewayConfig, KeptKeys, KeyFile, KeyFileError};
use warp2api_rpc::listener::Address;

use crate::config::must_have_keys;
use crate::read::Reader;
use crate::settings::Settings;
use crate::sources::Origins;
use crate::store::StoreConfig;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The file, and the keys of it that the edge sees.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    path: PathBuf,
    keys: KeptKeys,
    seen: Option<Seen>,
}

/// What shows that a file has changed: where it is behind all links, and how it looks.
type Seen = (PathBuf, SystemTime, u64);

/// Where the settings say that the keys are.
///
/// # Errors
/// When there is no such place.
pub fn file_of(settings: Settings, origins: Origins) -> anyhow::Result<PathBuf> {
    let mut read = Reader::new(settings, origins);
    let for_show = read.settings.upstream.as_deref() == Some("embedded");
    let store = StoreConfig::read(&mut read, for_show, false);
    let file = store.keys_file(read.take(|s| &mut s.keys_file));
    read.finish(())?;
    file.context("this house keeps nothing, keys neither: set W2A_KEYS_FILE or W2A_DATA_DIR")
}

/// Reads the keys for an edge at `address`.
///
/// # Errors
/// When the file cannot be read, or others can reach the edge and there is no key.
pub(crate) fn open(
    path: Option<&Path>,
    config: &GatewayConfig,
    address: &Address,
    may_be_open: bool,
) -> anyhow::Result<Option<Watch>> {
    let keys = config.kept_keys.clone();
    let watch = match path {
        Some(path) => {
            let mut watch = Watch { path: path.to_owned(), keys, seen: None };
            watch.look()?;
            Some(watch)
        }
        None => None,
    };
    if config.is_open() && !may_be_open && !address.is_loopback() {
        anyhow::bail!("api_token (API_TOKEN): {}", must_have_keys(address));
    }
    Ok(watch)
}

impl Watch {
    /// Looks at the file again and again. A mistake in it is told once, and the keys before it go on.
    pub(crate) async fn keep(mut self, until: CancellationToken) {
        loop {
            tokio::select! {
                () = until.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                let result = self.look();
                (self, result)
            });
            let Ok((watch, result)) = looked.await else { return };
            self = watch;
            match result {
                Ok(false) => {}
                Ok(true) => {
                    tracing::info!(count = self.keys.current().iter().count(), "API keys were read again")
                }
                Err(error) => tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "the API keys stay as they were"
                ),
            }
        }
    }

    /// Reads the file if it is not the one that was seen. Returns whether it was read. A file that is gone changes
    /// nothing: keys are taken back by their records.
    fn look(&mut self) -> Result<bool, KeyFileError> {
        let seen = || {
            let path = std::fs::canonicalize(&self.path)?;
            let known = std::fs::metadata(&path)?;
            std::io::Result::Ok((path, known.modified()?, known.len()))
        };
        let seen = seen().ok();
        if seen.is_none() || seen == self.seen {
            return Ok(false);
        }
        self.seen = seen;
        self.keys.replace(KeyFile::load(&self.path)?.keys());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(content: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_broken_or_missing_file_takes_no_key_away() {
        let digest = "0".repeat(64);
        let good =
            format!(r#"{{"keys":[{{"name":"a","sha256":"{digest}","scopes":["chat"],"created":1}}]}}"#);
        let file = file(&good);
        let config = GatewayConfig::default();
        let loopback = "127.0.0.1:0".parse().unwrap();
        let mut watch = open(Some(file.path()), &config, &loopback, false).unwrap().unwrap();
        assert!(!config.is_open() && !watch.look().unwrap(), "read once");

        std::fs::write(file.path(), "{").unwrap();
        assert!(watch.look().is_err() && !watch.look().unwrap(), "told once");
        assert_eq!(config.kept_keys.current().iter().count(), 1);
        std::fs::remove_file(file.path()).unwrap();
        assert!(!watch.look().unwrap());
        assert_eq!(config.kept_keys.current().iter().count(), 1);
        std::fs::write(file.path(), r#"{"keys":[]}"#).unwrap();
        assert!(watch.look().unwrap());
        assert!(config.kept_keys.current().is_empty() && !config.is_open());
    }

    /// As a volume of a Kubernetes Secret is replaced: the file is a link through a link, and that one is exchanged.
    #[cfg(unix)]
    #[test]
    fn a_file_that_is_replaced_behind_a_link_is_seen() {
        use std::os::unix::fs::symlink;
        let volume = tempfile::tempdir().unwrap();
        let at = |name: &str| volume.path().join(name);
        let version = |folder: &str, digit: &str| {
            std::fs::create_dir(at(folder)).unwrap();
            let digest = digit.repeat(64);
            let key =
                format!(r#"{{"keys":[{{"name":"a","sha256":"{digest}","scopes":["chat"],"created":1}}]}}"#);
            std::fs::write(at(folder).join("keys.json"), key).unwrap();
        };
        version("..one", "1");
        symlink("..one", at("..data")).unwrap();
        symlink("..data/keys.json", at("keys.json")).unwrap();
        let config = GatewayConfig::default();
        let loopback = "127.0.0.1:0".parse().unwrap();
        let mut watch = open(Some(&at("keys.json")), &config, &loopback, false).unwrap().unwrap();
        assert!(!watch.look().unwrap());

        version("..two", "2");
        symlink("..two", at("..new")).unwrap();
        std::fs::rename(at("..new"), at("..data")).unwrap();

        assert!(watch.look().unwrap(), "of the same size, but another");
    }

    #[test]
    fn an_edge_that_others_reach_wants_keys() {
        let (empty, broken) = (file(r#"{"keys":[]}"#), file("planted"));
        let network = "0.0.0.0:0".parse().unwrap();
        let config = GatewayConfig::default();

        let error = open(Some(empty.path()), &config, &network, false).unwrap_err().to_string();

        assert!(error.contains("API_TOKEN") && error.contains("keys add"), "{error}");
        assert!(open(Some(empty.path()), &config, &network, true).is_ok());
        let error = open(Some(broken.path()), &config, &network, true).unwrap_err();
        assert!(!format!("{error:#}").contains("planted"), "{error:#}");
    }
}
