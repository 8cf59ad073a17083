//! The operator's variables, parsed into credentials. Pure: the values are given, the environment is not read here.
//!
//! Every variable takes a list, separated by commas or newlines; an entry is a token or `label=token`. A value
//! that starts with `wk-` is an API key and one in the form of a JWT is an access token, in whichever variable it
//! stands. Errors name the variable and the entry, never the value.

use std::fmt;

use crate::credential::{Kind, NewCredential, Secret, Tier, without_duplicates};
use crate::jwt;

/// What the example of the original's settings file has in place of a token.
const PLACEHOLDER: &str = "your_warp_refresh_token_here";
const API_KEY_PREFIX: &str = "wk-";
const MAX_LABEL_CHARS: usize = 64;
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Anything this long before a `=` that ends the entry is a token with padding, not a label.
const PADDED_TOKEN_BYTES: usize = 32;

/// The values of the variables, as they were set.
#[derive(Clone, Default)]
pub struct CredentialSettings {
    /// `WARP_API_KEY`: Warp API keys, tier PERSONAL. `wk-` is put in front of one that lacks it.
    pub warp_api_key: Option<String>,
    /// `WARP_JWT`: access tokens that cannot be renewed, tier PERSONAL.
    pub warp_jwt: Option<String>,
    /// `WARP_REFRESH_TOKEN`: refresh tokens, tier PERSONAL.
    pub warp_refresh_token: Option<String>,
    /// `WARP_PERSONAL_TOKENS`: refresh tokens, tier PERSONAL.
    pub warp_personal_tokens: Option<String>,
    /// `WARP_SHARED_TOKENS`: refresh tokens, tier SHARED.
    pub warp_shared_tokens: Option<String>,
    /// `WARP_ANONYMOUS_TOKEN`: refresh tokens, tier ANONYMOUS.
    pub warp_anonymous_token: Option<String>,
}

/// Everything that is wrong with the variables, reported together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct SettingsError(pub Vec<SettingsProblem>);

/// An entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: entry {entry} {problem}")]
pub struct SettingsProblem {
    /// The name of the variable.
    pub variable: &'static str,
    /// Which entry of its list, from 1.
    pub entry: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// `label=` and nothing after it.
    #[error("has a label but no token")]
    MissingToken,
    /// The part before `=` is no label.
    #[error("has a label with other characters than letters, digits, spaces and . _ - @ +, or more than 64")]
    InvalidLabel,
    /// The part before `=` looks like a secret, and labels are shown.
    #[error("has what looks like a token in the place of its label; write label=token")]
    TokenAsLabel,
    /// No HTTP header could carry the token.
    #[error("has spaces or other characters that no token has")]
    InvalidToken,
    /// The token is longer than any token.
    #[error("is longer than 8 KiB")]
    TooLong,
}

/// Parses the variables. Empty ones, blank entries and the placeholder of the example file are skipped; a token
/// that stands in several places is one credential, of the highest of its tiers.
///
/// # Errors
/// All entries that cannot be used.
pub fn parse(settings: &CredentialSettings) -> Result<Vec<NewCredential>, SettingsError> {
    let (mut credentials, mut problems) = (Vec::new(), Vec::new());
    for entry in entries(settings) {
        match entry {
            Ok((.., credential)) => credentials.push(credential),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(without_duplicates(credentials)) } else { Err(SettingsError(problems)) }
}

/// Each entry of the variables by itself, with the variable it stands in and its number there, from 1; skipped ones are
/// left out.
pub(crate) fn entries(
    settings: &CredentialSettings,
) -> impl Iterator<Item = Result<(&'static str, usize, NewCredential), SettingsProblem>> {
    settings.by_tier().into_iter().flat_map(|(variable, value, tier, kind)| {
        let entries =
            value.unwrap_or_default().split([',', '\n', '\r']).map(str::trim).filter(|e| !e.is_empty());
        entries.enumerate().filter_map(move |(index, text)| match parse_entry(text, tier, kind) {
            Ok(credential) => credential.map(|credential| Ok((variable, index + 1, credential))),
            Err(problem) => Some(Err(SettingsProblem { variable, entry: index + 1, problem })),
        })
    })
}

impl CredentialSettings {
    fn by_tier(&self) -> [(&'static str, Option<&str>, Tier, Kind); 6] {
        [
            ("WARP_API_KEY", self.warp_api_key.as_deref(), Tier::Personal, Kind::ApiKey),
            ("WARP_JWT", self.warp_jwt.as_deref(), Tier::Personal, Kind::StaticJwt),
            ("WARP_REFRESH_TOKEN", self.warp_refresh_token.as_deref(), Tier::Personal, Kind::RefreshToken),
            (
                "WARP_PERSONAL_TOKENS",
                self.warp_personal_tokens.as_deref(),
                Tier::Personal,
                Kind::RefreshToken,
            ),
            ("WARP_SHARED_TOKENS", self.warp_shared_tokens.as_deref(), Tier::Shared, Kind::RefreshToken),
            (
                "WARP_ANONYMOUS_TOKEN",
                self.warp_anonymous_token.as_deref(),
                Tier::Anonymous,
                Kind::RefreshToken,
            ),
        ]
    }
}

impl fmt::Debug for CredentialSettings {
    /// Shows which variables are set, not to what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.by_tier().into_iter().filter(|(_, value, ..)| value.is_some());
        f.debug_set().entries(set.map(|(variable, ..)| variable)).finish()
    }
}

fn parse_entry(text: &str, tier: Tier, kind: Kind) -> Result<Option<NewCredential>, Problem> {
    let (label, token) = split_label(unquoted(text))?;
    let token = parse_token(unquoted(token), kind)?;
    Ok(token.map(|(kind, secret)| NewCredential {
        tier,
        kind,
        display_name: label.map(str::to_owned),
        secret,
    }))
}

/// A token, and what it looks like; `usual` is what it is if it does not look like anything. `None` for the placeholder.
pub(crate) fn parse_token(token: &str, usual: Kind) -> Result<Option<(Kind, Secret)>, Problem> {
    if token == PLACEHOLDER {
        return Ok(None);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Problem::TooLong);
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::InvalidToken);
    }
    let kind = kind_of(token, usual);
    let prefix = if kind == Kind::ApiKey && !token.starts_with(API_KEY_PREFIX) { API_KEY_PREFIX } else { "" };
    Ok(Some((kind, Secret::new(format!("{prefix}{token}")))))
}

/// Whether a text can be a label: it is shown, so nothing that looks like a token.
pub(crate) fn is_label(label: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " ._-@+".contains(c);
    let fits = !label.is_empty() && label.chars().count() <= MAX_LABEL_CHARS && label.chars().all(allowed);
    fits && !looks_like_token(label)
}

/// The label of an entry, if it has one, and the rest.
fn split_label(text: &str) -> Result<(Option<&str>, &str), Problem> {
    let Some((label, token)) = text.split_once('=') else { return Ok((None, text)) };
    let (label, token) = (label.trim(), token.trim());
    if token.bytes().all(|b| b == b'=') {
        return if label.len() >= PADDED_TOKEN_BYTES { Ok((None, text)) } else { Err(Problem::MissingToken) };
    }
    if looks_like_token(label) {
        return Err(Problem::TokenAsLabel);
    }
    if !is_label(label) {
        return Err(Problem::InvalidLabel);
    }
    Ok((Some(label), token))
}

fn looks_like_token(text: &str) -> bool {
    [API_KEY_PREFIX, "eyJ", "AMf-", "1//"].iter().any(|prefix| text.starts_with(prefix))
}

fn kind_of(token: &str, usual: Kind) -> Kind {
    if token.starts_with(API_KEY_PREFIX) {
        Kind::ApiKey
    } else if usual == Kind::RefreshToken && jwt::has_form(token) {
        Kind::StaticJwt
    } else {
        usual
    }
}

/// Without the quotes that some env-file readers leave in place.
fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text).trim()
}

#[cfg(test)]
mod tests;
