//! What is known of a setting besides its value: its names, its meaning, and how much of its value may be shown.

use std::borrow::Cow;

use super::{Settings, TABLE};

/// What a setting is called and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The key in the config file; with dashes, the flag.
    pub key: &'static str,
    /// The variable in the environment.
    pub env: &'static str,
    /// Whether it may be shown.
    pub kind: Kind,
    /// The meaning.
    pub about: &'static str,
}

/// Whether a setting may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It may.
    Plain,
    /// It is an address, which may hold a key behind the `?`: shown up to there.
    Address,
    /// It holds a secret: never shown, and no flag in the help, since other users of the machine see flags.
    Secret,
}

/// Whether the help leaves its flag out.
pub(super) const fn hidden(kind: Kind) -> bool {
    matches!(kind, Kind::Secret)
}

impl Kind {
    /// As much of a value as may be shown.
    pub(super) fn shown(self, value: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => value.into(),
            Self::Secret => "(hidden)".into(),
            Self::Address => match value.find(['?', '#']) {
                Some(end) => format!("{}?(hidden)", &value[..end]).into(),
                None => value.into(),
            },
        }
    }
}

impl Settings {
    /// What was written, by key, in the order of the documentation; secrets hidden.
    pub fn shown(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let written = self.written();
        let shown = TABLE.iter().filter_map(|described| {
            let value = *written.get(described.key)?;
            Some((described.key, described.kind.shown(value)))
        });
        shown.collect()
    }
}

impl std::fmt::Debug for Settings {
    /// Shows which settings were written, and the values of those that are no secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

/// The setting that was probably meant by `written`.
pub fn nearest(written: &str) -> Option<&'static str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    let by_variable = TABLE.iter().find(|described| described.env.eq_ignore_ascii_case(&written));
    // Of a short word, three letters are another word.
    let most = 3.min(written.len() / 2);
    let far = |key: &&str| strsim::damerau_levenshtein(key, &written);
    let by_key =
        || TABLE.iter().map(|described| described.key).min_by_key(far).filter(|key| far(key) <= most);
    by_variable.map(|described| described.key).or_else(by_key)
}
