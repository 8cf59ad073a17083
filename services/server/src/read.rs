//! Reads settings one by one and collects what is wrong with them.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::settings::{Settings, TABLE};
use crate::sources::Origins;

/// The longest span that is taken. Much longer ones lead to times that cannot be represented.
const MAX_SECONDS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub Vec<String>);

/// Settings being read.
pub(crate) struct Reader {
    pub(crate) settings: Settings,
    origins: Origins,
    problems: Vec<String>,
}

impl Reader {
    pub(crate) fn new(settings: Settings, origins: Origins) -> Self {
        Self { settings, origins, problems: Vec::new() }
    }

    /// The result if nothing was wrong.
    pub(crate) fn finish<T>(self, result: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(result) } else { Err(Problems(self.problems)) }
    }

    /// What was wrong.
    pub(crate) fn problems(self) -> Problems {
        Problems(self.problems)
    }

    /// Notes what is wrong with the setting `key`. The words must not hold its value if that is a secret.
    pub(crate) fn problem(&mut self, key: &str, words: impl Display) {
        let env = TABLE.iter().find(|described| described.key == key).map(|described| described.env);
        self.problems.push(match (env, self.origins.of(key)) {
            (Some(env), Some(origin)) => format!("{key} ({env}, from {origin}): {words}"),
            (Some(env), None) => format!("{key} ({env}): {words}"),
            (None, _) => format!("{key}: {words}"),
        });
    }

    /// The setting as it was written.
    pub(crate) fn take(
        &mut self,
        setting: impl FnOnce(&mut Settings) -> &mut Option<String>,
    ) -> Option<String> {
        setting(&mut self.settings).take()
    }

    /// The setting as a value that can be parsed.
    pub(crate) fn parse<T>(
        &mut self,
        setting: impl FnOnce(&mut Settings) -> &mut Option<String>,
        key: &str,
        default: &str,
    ) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        let written = self.take(setting);
        match written.as_deref().unwrap_or(default).parse() {
            Ok(value) => value,
            Err(error) => {
                self.problem(key, error);
                match default.parse() {
                    Ok(value) => value,
                    Err(_) => unreachable!("the default of {key} can be parsed"),
                }
            }
        }
    }

    /// The setting as a whole number.
    pub(crate) fn number<T: FromStr>(
        &mut self,
        setting: impl FnOnce(&mut Settings) -> &mut Option<String>,
        key: &str,
        default: T,
    ) -> T {
        let Some(written) = self.take(setting) else { return default };
        written.parse().unwrap_or_else(|_| {
            self.problem(key, format!("`{written}` is not a number it can have"));
            default
        })
    }

    /// The setting as a whole number above zero, if it was written.
    pub(crate) fn positive(
        &mut self,
        setting: impl FnOnce(&mut Settings) -> &mut Option<String>,
        key: &str,
    ) -> Option<u32> {
        let written = self.take(setting)?;
        let number = written.parse().ok().filter(|number| *number > 0);
        if number.is_none() {
            self.problem(key, format!("`{written}` is not a whole number above zero"));
        }
        number
    }

    /// The setting as a span in seconds, fractions allowed.
    pub(crate) fn seconds(
        &mut self,
        setting: impl FnOnce(&mut Settings) -> &mut Option<String>,
        key: &str,
        default: Duration,
    ) -> Duration {
        let Some(written) = self.take(setting) else { return default };
        let seconds = written.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let problem = match seconds {
            Some(seconds) if seconds <= MAX_SECONDS => return seconds,
            Some(_) => format!("`{written}` seconds is longer than ten years"),
            None => format!("`{written}` is not a number of seconds"),
        };
        self.problem(key, problem);
        default
    }

    /// The setting as yes or no; no is the default.
    pub(crate) fn flag(
        &mut self,
        setting: impl FnOnce(&mut Settings) -> &mut Option<String>,
        key: &str,
    ) -> bool {
        self.choice(
            setting,
            key,
            &[("false", false), ("true", true), ("0", false), ("1", true), ("no", false), ("yes", true)],
        )
    }

    /// The setting as one of several words; the first is the default.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        setting: impl FnOnce(&mut Settings) -> &mut Option<String>,
        key: &str,
        choices: &[(&str, T)],
    ) -> T {
        let default = choices[0].1;
        let Some(written) = self.take(setting) else { return default };
        if let Some((_, value)) = choices.iter().find(|(word, _)| written.eq_ignore_ascii_case(word)) {
            return *value;
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.problem(key, format!("`{written}` is none of {}", words.join(", ")));
        default
    }

    /// The root of an upstream: `http` or `https`, a host, no slash at the end.
    pub(crate) fn root_url(&mut self, key: &str, written: &str) -> String {
        let url = self.url(key, written, "the root URL of an upstream, such as https://app.warp.dev");
        url.trim_end_matches('/').to_owned()
    }

    /// An `http` or `https` address with a host. No user, password or query: it is shown, and those may be secrets.
    pub(crate) fn url(&mut self, key: &str, written: &str, what: &str) -> String {
        let uri = written.parse::<http::Uri>().ok();
        let fits = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some()
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.query().is_none()
        });
        if !fits {
            let may_be_shown = !written.contains(['@', '?']);
            let written = if may_be_shown { format!("`{written}`") } else { "its value".to_owned() };
            self.problem(key, format!("{written} is not {what}"));
        }
        written.to_owned()
    }
}
