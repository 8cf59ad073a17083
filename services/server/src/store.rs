//! Where the pool is kept, and with which key, made of what the operator wrote.

use std::path::PathBuf;

use anyhow::Context as _;
use warp2api_token_pool::store::held::beside;
use warp2api_token_pool::{Database, KeySource, Store};

use crate::read::Reader;

const DATABASE: &str = "pool.db";
const KEY: &str = "store.key";
const API_KEYS: &str = "keys.json";

/// Where the pool is kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    place: Place,
    keys: Option<KeySource>,
    /// The data folder, if one was named.
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone)]
enum Place {
    /// In a folder; `None` is the user's usual one.
    Folder(Option<PathBuf>),
    Database(Database),
}

impl std::fmt::Display for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Folder(folder) => match folder.clone().or_else(usual_folder) {
                Some(folder) => write!(f, "{}", folder.join(DATABASE).display()),
                None => f.write_str("nowhere"),
            },
            Place::Database(Database::Memory) => f.write_str("memory; it ends with this process"),
            Place::Database(Database::Sqlite(path)) => write!(f, "{}", path.display()),
            Place::Database(Database::Postgres(_)) => f.write_str("a PostgreSQL"),
        }
    }
}

impl StoreConfig {
    /// Reads the settings. `for_show` is a house on the embedded upstream, asked for: without a word about where to
    /// keep it, it leaves nothing behind.
    pub(crate) fn read(read: &mut Reader, for_show: bool, has_pool: bool) -> Self {
        let folder = read.take(|s| &mut s.data_dir).map(PathBuf::from);
        let database = match read.take(|s| &mut s.database_url).map(|url| Database::parse(&url)) {
            None if for_show && folder.is_none() => Some(Database::Memory),
            None => None,
            Some(Ok(database)) => Some(database),
            Some(Err(error)) => {
                read.problem("database_url", error);
                None
            }
        };
        let keys = keys(read);
        if matches!(database, Some(Database::Postgres(_))) && keys.is_none() && has_pool {
            read.problem(
                "store_key",
                "a PostgreSQL needs a key that all processes have; set W2A_STORE_KEY or W2A_STORE_KEY_FILE \
                 (`openssl rand -hex 32` makes one)",
            );
        }
        Self { place: database.map_or(Place::Folder(folder.clone()), Place::Database), keys, folder }
    }

    /// Where API keys are kept: at `written`, or in the data folder. A house that leaves nothing behind has none.
    pub(crate) fn keys_file(&self, written: Option<String>) -> Option<PathBuf> {
        written.map(PathBuf::from).or_else(|| Some(self.folder()?.join(API_KEYS)))
    }

    /// The folder of what outlives the process: the named one or the usual one. A house that leaves nothing behind has
    /// none.
    pub fn folder(&self) -> Option<PathBuf> {
        match (&self.place, &self.folder) {
            (_, Some(folder)) => Some(folder.clone()),
            (Place::Database(Database::Memory), None) => None,
            (Place::Folder(_) | Place::Database(_), None) => usual_folder(),
        }
    }

    /// The folder of what the process says of itself while it runs. A house that leaves nothing behind says it in the
    /// usual one, or nowhere if there is none.
    pub fn notes_folder(&self) -> Option<PathBuf> {
        self.folder().or_else(usual_folder)
    }

    /// The file it is, if it is one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.clone().or_else(usual_folder)?.join(DATABASE)),
            Place::Database(Database::Sqlite(path)) => Some(path.clone()),
            Place::Database(_) => None,
        }
    }

    /// Whether it is a file that is not there yet.
    pub(crate) fn would_be_made(&self) -> bool {
        self.file().is_some_and(|file| !file.exists())
    }

    /// Whether there are credentials in it, as far as it can be opened.
    pub(crate) async fn has_credentials(&self) -> bool {
        !self.would_be_made() && self.look().await.is_ok_and(|store| store.has_credentials())
    }

    /// Whether it ends with the process that has it.
    pub fn is_memory(&self) -> bool {
        matches!(self.place, Place::Database(Database::Memory))
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn open(&self) -> anyhow::Result<Store> {
        let (database, keys) = self.database()?;
        Ok(Store::open(&database, keys).await?)
    }

    /// Looks at it and changes nothing of it.
    ///
    /// # Errors
    /// When there is none, it is of another version, or it cannot be read.
    pub async fn look(&self) -> anyhow::Result<Store> {
        let (database, keys) = self.database()?;
        Ok(Store::look(&database, keys).await?)
    }

    fn database(&self) -> anyhow::Result<(Database, KeySource)> {
        let (database, own_key) = match &self.place {
            Place::Folder(folder) => {
                let folder = folder.clone().or_else(usual_folder).context(
                    "there is no home folder to keep the pool in: set W2A_DATA_DIR, or W2A_DATABASE_URL=memory: to do \
                     without",
                )?;
                (Database::Sqlite(folder.join(DATABASE)), folder.join(KEY))
            }
            Place::Database(database @ Database::Sqlite(path)) => (database.clone(), beside(path, "key")),
            Place::Database(database) => (database.clone(), PathBuf::new()),
        };
        let keys = self.keys.clone().unwrap_or(KeySource::Own(own_key));
        Ok((database, keys))
    }
}

fn keys(read: &mut Reader) -> Option<KeySource> {
    let written = read.take(|s| &mut s.store_key);
    let file = read.take(|s| &mut s.store_key_file);
    match (written, file) {
        (None, file) => file.map(|path| KeySource::File(PathBuf::from(path))),
        (Some(_), Some(_)) => {
            read.problem("store_key", "W2A_STORE_KEY_FILE is set as well; set one of them");
            None
        }
        (Some(written), None) => match KeySource::parse(&written) {
            Ok(keys) => Some(KeySource::Given(keys)),
            Err(error) => {
                read.problem("store_key", error);
                None
            }
        },
    }
}

/// The folder of this program among the user's data, as the platform has it.
#[expect(clippy::disallowed_methods, reason = "the platform says it in the environment")]
fn usual_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
    };
    Some(folder?.join("warp2api"))
}
