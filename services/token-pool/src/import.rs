//! Credentials from elsewhere: the variables of an `.env` file, or a JSON list in any of the shapes that pools of this
//! kind write. Pure: text in, entries out, each good or with the reason why not. Reasons quote nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::credential::{CredentialId, Kind, NewCredential, Secret, Tier};
use crate::settings::{self, CredentialSettings, Problem};

/// The most entries of a list.
pub const MAX_ENTRIES: usize = 10_000;

/// One entry of what was to be imported.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it stands, for people: `WARP_PERSONAL_TOKENS, entry 2`, `accounts[3]`.
    pub place: String,
    /// The variable it stands in, if it is of variables.
    pub variable: Option<&'static str>,
    /// The line it begins in, from 1, if it is of a JSON text.
    pub line: Option<usize>,
    /// The credential, or why there is none.
    pub found: Result<Found, String>,
}

/// A credential that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The credential.
    pub new: NewCredential,
    /// The id it is to have, if it says.
    pub id: Option<CredentialId>,
    /// Leases that may be out at once, if it says.
    pub max_in_flight: Option<u32>,
}

/// What was to be imported is no list of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is no JSON.
    #[error("is no JSON from line {line} on")]
    NoJson {
        /// Where it stops being JSON.
        line: usize,
    },
    /// It is JSON of another shape.
    #[error(
        "is no list of credentials: write an array, or an object with `credentials`, `accounts` or `tokens`"
    )]
    NoList,
    /// It is too long.
    #[error("has more than 10000 entries")]
    TooLong,
}

/// The credentials in the variables of a settings file.
pub fn from_variables(variables: &CredentialSettings) -> Vec<Entry> {
    let of = |variable, entry, found| Entry {
        place: format!("{variable}, entry {entry}"),
        variable: Some(variable),
        line: None,
        found,
    };
    let entries = settings::entries(variables).map(|entry| match entry {
        Ok((variable, entry, new)) => of(variable, entry, Ok(Found::from(new))),
        Err(problem) => of(problem.variable, problem.entry, Err(problem.problem.to_string())),
    });
    entries.collect()
}

/// For each entry whose secret stands in another one as well, the one that counts: the first in the best of their tiers.
pub fn duplicates(entries: &[Entry]) -> HashMap<usize, usize> {
    let mut best: HashMap<(Kind, &str), usize> = HashMap::new();
    let good = || entries.iter().enumerate().filter_map(|(index, e)| Some((index, e.found.as_ref().ok()?)));
    let tier = |index: usize| entries[index].found.as_ref().map(|found| found.new.tier).ok();
    for (index, found) in good() {
        let counts = best.entry((found.new.kind, found.new.secret.expose())).or_insert(index);
        if tier(index) < tier(*counts) {
            *counts = index;
        }
    }
    let other = |(index, found): (usize, &Found)| {
        let counts = best[&(found.new.kind, found.new.secret.expose())];
        (counts != index).then_some((index, counts))
    };
    good().filter_map(other).collect()
}

/// The credentials in a JSON text: an array of tokens or of objects, or an object with such an array. Those that name no
/// tier are of `tier`.
///
/// # Errors
/// When it is no such text.
pub fn from_json(text: &[u8], tier: Tier) -> Result<Vec<Entry>, ImportError> {
    let no_json = |error: serde_json::Error| ImportError::NoJson { line: error.line() };
    let value: Value = serde_json::from_slice(text).map_err(no_json)?;
    let (list, name) = match &value {
        Value::Array(list) => (list.as_slice(), ""),
        Value::Object(object) => {
            let named = ["credentials", "accounts", "tokens"].into_iter();
            let list = named.filter_map(|name| Some((object.get(name)?.as_array()?.as_slice(), name))).next();
            match list {
                Some(list) => list,
                None if secret_of(&value).is_some() => (std::slice::from_ref(&value), ""),
                None => return Err(ImportError::NoList),
            }
        }
        _ => return Err(ImportError::NoList),
    };
    if list.len() > MAX_ENTRIES {
        return Err(ImportError::TooLong);
    }
    let lines = lines(text, name).unwrap_or_default();
    let entries = list.iter().enumerate().map(|(index, entry)| Entry {
        place: if name.is_empty() && list.len() == 1 {
            "the entry".into()
        } else {
            format!("{name}[{index}]")
        },
        variable: None,
        line: lines.get(index).copied().or(Some(1)),
        found: read(entry, tier),
    });
    Ok(entries.collect())
}

/// The lines in which the entries of the list begin, in order. `None` where there is no list.
fn lines(text: &[u8], name: &str) -> Option<Vec<usize>> {
    let text = std::str::from_utf8(text).ok()?;
    let object: HashMap<Cow<'_, str>, &RawValue>;
    let list = if name.is_empty() {
        text
    } else {
        object = serde_json::from_str(text).ok()?;
        object.get(name)?.get()
    };
    let entries: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    let (mut line, mut seen) = (1, 0);
    let line_of = |entry: &&RawValue| {
        // They are parts of the text.
        let start = (entry.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        line += text.as_bytes().get(seen..start)?.iter().filter(|byte| **byte == b'\n').count();
        seen = start;
        Some(line)
    };
    entries.iter().map(line_of).collect()
}

/// The names a secret goes by, and what it usually is under each; the first that is there counts.
const SECRETS: [(&str, Option<Kind>); 11] = [
    ("secret", None),
    ("refresh_token", Some(Kind::RefreshToken)),
    ("refreshToken", Some(Kind::RefreshToken)),
    ("api_key", Some(Kind::ApiKey)),
    ("apiKey", Some(Kind::ApiKey)),
    ("token", None),
    ("jwt", Some(Kind::StaticJwt)),
    ("id_token", Some(Kind::StaticJwt)),
    ("idToken", Some(Kind::StaticJwt)),
    ("access_token", Some(Kind::StaticJwt)),
    ("accessToken", Some(Kind::StaticJwt)),
];

fn secret_of(entry: &Value) -> Option<(&str, Option<Kind>)> {
    if let Some(token) = entry.as_str() {
        return Some((token, None));
    }
    let mut named = SECRETS.into_iter();
    named.find_map(|(name, kind)| {
        let text = entry.get(name)?.as_str()?.trim();
        (!text.is_empty()).then_some((text, kind))
    })
}

fn text<'a>(entry: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| entry.get(name)?.as_str()).map(str::trim).filter(|text| !text.is_empty())
}

fn read(entry: &Value, usual: Tier) -> Result<Found, String> {
    let (token, named) =
        secret_of(entry).ok_or("has no secret: an export holds none, fill it in as `secret`")?;
    let kind = match text(entry, &["kind"]) {
        Some(kind) => {
            Some(kind_named(kind).ok_or("has a kind that is none of api_key, refresh_token, static_jwt")?)
        }
        None => named,
    };
    let (found, secret) = secret(token, kind)?.ok_or("is the placeholder of the example file")?;
    let tier = match text(entry, &["tier", "priority"]) {
        Some(name) => tier_named(name).ok_or("has a tier that is none of personal, shared, anonymous")?,
        None => usual,
    };
    let label = text(entry, &["display_name", "displayName", "name", "label", "email"]);
    let display_name = label.filter(|label| settings::is_label(label)).map(str::to_owned);
    let name = entry.get("name").and_then(Value::as_str);
    let id = name.and_then(|name| CredentialId::parse(name.strip_prefix("credentials/")?));
    let most = ["max_in_flight", "maxInFlight"].iter().find_map(|name| entry.get(name)?.as_u64());
    let most = most.filter(|most| *most > 0);
    let max_in_flight = most.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
    Ok(Found { new: NewCredential { tier, kind: found, display_name, secret }, id, max_in_flight })
}

/// A secret and its kind. `None` for the placeholder of the example file.
///
/// # Errors
/// Why it cannot be one.
pub fn secret(token: &str, kind: Option<Kind>) -> Result<Option<(Kind, Secret)>, String> {
    if looks_masked(token) {
        return Err("stands for a secret and is none".to_owned());
    }
    let parsed = settings::parse_token(token, kind.unwrap_or(Kind::RefreshToken));
    match (parsed.map_err(|problem: Problem| problem.to_string())?, kind) {
        (Some((found, _)), Some(Kind::StaticJwt)) if found != Kind::StaticJwt => {
            Err("is no JWT, but the entry says so".to_owned())
        }
        (parsed, _) => Ok(parsed),
    }
}

/// Whether a text is what programs show in the place of a secret.
pub fn looks_masked(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    let marks = ["***", "...", "…", "•", "xxxxxxxx", "redacted", "hidden", "masked"];
    token.is_empty() || marks.iter().any(|mark| lower.contains(mark))
}

/// The kind of this name, or of the contract's.
pub fn kind_named(name: &str) -> Option<Kind> {
    let name = name.strip_prefix("CREDENTIAL_KIND_").unwrap_or(name).replace('-', "_");
    [("api_key", Kind::ApiKey), ("refresh_token", Kind::RefreshToken), ("static_jwt", Kind::StaticJwt)]
        .into_iter()
        .find_map(|(known, kind)| known.eq_ignore_ascii_case(&name).then_some(kind))
}

/// The tier of this name, or of the contract's.
pub fn tier_named(name: &str) -> Option<Tier> {
    let name = name.strip_prefix("CREDENTIAL_TIER_").unwrap_or(name);
    [("personal", Tier::Personal), ("shared", Tier::Shared), ("anonymous", Tier::Anonymous)]
        .into_iter()
        .find_map(|(known, tier)| known.eq_ignore_ascii_case(name).then_some(tier))
}

impl From<NewCredential> for Found {
    fn from(new: NewCredential) -> Self {
        Self { new, id: None, max_in_flight: None }
    }
}

#[cfg(test)]
mod tests;
