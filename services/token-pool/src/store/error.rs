//! Why a store cannot be opened, in words that show the way out.

use std::io;
use std::path::PathBuf;

use crate::store::seal::InvalidKey;

/// A store cannot be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file of the store cannot be made or used.
    #[error(
        "cannot use {path} for the pool's database; W2A_DATA_DIR names another folder, and W2A_DATABASE_URL=memory: \
         does without"
    )]
    File {
        /// Which one.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "{path} is in use by {holder}; stop that one, or give this one a folder of its own (W2A_DATA_DIR), or let \
         both share a PostgreSQL (W2A_DATABASE_URL=postgres://...)"
    )]
    Held {
        /// The database.
        path: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// The key file cannot be read or written.
    #[error("cannot use the key file {path}; without its key the credentials in the database stay sealed")]
    KeyFile {
        /// Which one.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// There is something that is no key.
    #[error("{}", .path.as_ref().map_or_else(|| "the store key is no key".to_owned(), |path| format!("{} holds no key", path.display())))]
    Key {
        /// The key file, if it is in one.
        path: Option<PathBuf>,
        /// What a key is.
        #[source]
        source: InvalidKey,
    },
    /// The credentials are sealed with another key.
    #[error(
        "the credentials in the database are sealed with the key {wanted}, and this process has {found}; give it that \
         key (W2A_STORE_KEY or W2A_STORE_KEY_FILE), beside others if there are some"
    )]
    WrongKey {
        /// The id of the key it takes.
        wanted: String,
        /// The ids of the keys at hand.
        found: String,
    },
    /// The database was made by a later version of this program.
    #[error("the database was made by a later version of warp2api; this one cannot use it")]
    TooNew,
    /// There is no pool to be looked at.
    #[error(
        "there is no pool in {database} yet; the first start of the service makes it, or `warp2api tokens add`"
    )]
    Missing {
        /// Which database, without a password.
        database: String,
    },
    /// The database was made by an earlier version, and is only looked at.
    #[error(
        "the database {database} is of an earlier version of warp2api, and looking changes nothing; the next start of the \
         service brings it to this one"
    )]
    Older {
        /// Which one, without a password.
        database: String,
    },
    /// The database answered with an error, or did not answer. Its words hold no secret.
    #[error("the database {database} cannot be used")]
    Database {
        /// Which one, without a password.
        database: String,
        /// Its words.
        #[source]
        source: sqlx::Error,
    },
    /// The address of the database is none.
    #[error(
        "W2A_DATABASE_URL is not the address of a PostgreSQL; write postgres://user:password@host/database"
    )]
    InvalidUrl,
    /// Several processes share a database, and so they have to share its key.
    #[error(
        "credentials in a PostgreSQL are sealed with a key that all processes have: set W2A_STORE_KEY or          W2A_STORE_KEY_FILE (`openssl rand -hex 32` makes one)"
    )]
    NoSharedKey,
    /// The database stopped answering.
    #[error("the database {database} stopped answering while the pool was opened")]
    Silent {
        /// Which one, without a password.
        database: String,
    },
    /// A row cannot be understood.
    #[error("the database {database} holds something that cannot be read: {what}")]
    Row {
        /// Which one.
        database: String,
        /// What.
        what: String,
    },
}
