//! The settings of OpenTelemetry as they were written, by the names of their variables, and how each kind of value is
//! read. Pure. What is wrong is told with the name of the setting it was written in, and without its value where that may
//! be a secret.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::settings::{Described, Settings, TABLE};

/// What was written.
pub(super) struct Written<'a>(BTreeMap<&'static str, &'a str>);

/// One value, and where it is from.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    described: &'static Described,
    pub(super) text: &'a str,
}

impl<'a> Written<'a> {
    pub(super) fn of(settings: &'a Settings) -> Self {
        Self(settings.written())
    }

    /// The setting that the variable `env` is for.
    pub(super) fn get(&self, env: &str) -> Option<Value<'a>> {
        let described = TABLE.iter().find(|described| described.env == env);
        debug_assert!(described.is_some(), "{env} is no setting");
        let described = described?;
        Some(Value { described, text: self.0.get(described.key)? })
    }

    /// The setting of the exporter for one signal, `TRACES` or `METRICS`.
    pub(super) fn own(&self, signal: &str, what: &str) -> Option<Value<'a>> {
        self.get(&format!("OTEL_EXPORTER_OTLP_{signal}_{what}"))
    }

    /// The same, or the one for both.
    pub(super) fn of_signal(&self, signal: &str, what: &str) -> Option<Value<'a>> {
        self.own(signal, what).or_else(|| self.get(&format!("OTEL_EXPORTER_OTLP_{what}")))
    }
}

impl<'a> Value<'a> {
    /// What the setting is called, as a person finds it.
    pub(super) fn name(self) -> String {
        format!("{} ({})", self.described.key, self.described.env)
    }

    /// The words for what is wrong with it.
    pub(super) fn wrong(self, words: impl Display) -> String {
        format!("{}: {words}", self.name())
    }

    /// One of the words that are known.
    pub(super) fn one_of<T: Copy>(self, known: &[(&str, T)]) -> Result<T, String> {
        self.word(self.text, known)
    }

    /// Some of them, separated by commas.
    pub(super) fn some_of<T: Copy>(self, known: &[(&str, T)]) -> Result<Vec<T>, String> {
        let words = self.text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| self.word(word, known)).collect()
    }

    fn word<T: Copy>(self, word: &str, known: &[(&str, T)]) -> Result<T, String> {
        let found = known.iter().find(|(name, _)| *name == word);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<_> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
            match known.as_slice() {
                [only] => self.wrong(format_args!("`{word}` is not to be had here; {only} is")),
                _ => self.wrong(format_args!("`{word}` is none of {}", known.join(", "))),
            }
        })
    }

    /// `key=value` separated by commas, percent-encoded. Errors do not show the value: it may be a secret.
    pub(super) fn pairs(self) -> Result<Vec<(String, String)>, String> {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((key.trim().to_owned(), value.into_owned()))
        };
        let written = self.text.split(',').filter(|pair| !pair.trim().is_empty());
        written
            .map(|text| pair(text).ok_or_else(|| self.wrong("wants key=value, separated by commas")))
            .collect()
    }

    /// A number of spans: some, and not so many that the room for them matters.
    pub(super) fn count(self) -> Result<usize, String> {
        match self.text.parse() {
            Ok(number @ 1..=65_536) => Ok(number),
            _ => Err(self.wrong("wants a whole number from 1 to 65536")),
        }
    }

    pub(super) fn millis(self) -> Result<Duration, String> {
        let wrong = |_| self.wrong(format_args!("`{}` is not a number of milliseconds", self.text));
        self.text.parse::<u32>().map(|millis| Duration::from_millis(millis.into())).map_err(wrong)
    }

    /// The same, and not none.
    pub(super) fn some_millis(self) -> Result<Duration, String> {
        match self.millis()? {
            Duration::ZERO => Err(self.wrong("wants a number of milliseconds above 0")),
            time => Ok(time),
        }
    }

    pub(super) fn ratio(self) -> Result<f64, String> {
        let number = self.text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        number.ok_or_else(|| self.wrong("wants a number from 0 to 1"))
    }
}
