//! Who comes in at the edge, for what, and how much: keys, limits, pages of other origins.
//!
//! - `keys` knows keys and what they are for, `key_file` the file that keeps some, `kept_keys` holds those of now.
//! - `window` and `line` are the rules of limits, pure; `doors` holds them for all requests; `told` says how a key stands.
//! - `admit` stands before every route; `cors` answers browsers.

mod admit;
mod cors;
mod doors;
mod kept_keys;
mod key_file;
mod keys;
mod line;
mod told;
mod window;

pub(crate) use admit::{Client, Need, admit};
pub(crate) use cors::answer_browsers;
pub use cors::{InvalidOrigin, Origins};
pub use doors::AccessLimits;
pub(crate) use doors::{Doors, Permit};
pub use kept_keys::KeptKeys;
pub use key_file::{KeyFile, KeyFileError, KeyRecord, new_key};
pub use keys::{ApiKey, ApiKeys, KeyLimits, Scope};
