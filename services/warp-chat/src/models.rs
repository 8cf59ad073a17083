//! The models this service knows by name, from the data file beside this one.
//!
//! Ids are the upstream's and change often: one that is not in the file is passed on as it is.

use std::collections::HashMap;

use serde::Deserialize;
use warp2api_proto::warp_chat::v1::ChatModel;

const DATA: &str = include_str!("models.json");
/// When the list began, in seconds since 1970: 1 August 2025. Constant, so that clients see no change in every call.
const CREATED: i64 = 1_754_006_400;

/// The models and the names they answer to.
#[derive(Debug, Clone)]
pub struct Models {
    default: String,
    entries: Vec<Entry>,
    /// Ids and aliases to places in `entries`.
    by_name: HashMap<String, usize>,
    /// Family and effort to places in `entries`.
    by_effort: HashMap<(String, String), usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: String,
    models: Vec<Entry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: String,
    provider: String,
    #[serde(default)]
    about: String,
    #[serde(default = "yes")]
    vision: bool,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default = "agent")]
    categories: Vec<String>,
    /// Entries of one family differ in how hard they think.
    family: Option<String>,
    effort: Option<String>,
}

fn yes() -> bool {
    true
}

fn agent() -> Vec<String> {
    vec!["agent".to_owned()]
}

impl Models {
    /// The models of the data file.
    ///
    /// # Panics
    /// Never: the file is part of the program, and a test reads it.
    pub fn built_in() -> Self {
        let file: File = serde_json::from_str(DATA).expect("the data file is part of the program");
        let mut models = Self {
            default: file.default,
            entries: file.models,
            by_name: HashMap::new(),
            by_effort: HashMap::new(),
        };
        for (place, entry) in models.entries.iter().enumerate() {
            for name in std::iter::once(&entry.id).chain(&entry.aliases) {
                models.by_name.insert(name.clone(), place);
            }
            if let (Some(family), Some(effort)) = (&entry.family, &entry.effort) {
                models.by_effort.insert((family.clone(), effort.clone()), place);
            }
        }
        models
    }

    /// The id to ask the upstream for: `name` with aliases resolved and a date taken off, then the entry of its family
    /// that thinks as hard as `effort` says, if there is one. Nothing means the default, an unknown name stays what it is.
    pub fn resolve<'a>(&'a self, name: &'a str, effort: &str) -> &'a str {
        let name = if name.is_empty() { &self.default } else { name };
        let Some(entry) = self.entry(name) else { return name };
        let family = entry.family.iter().filter(|_| !effort.is_empty());
        let fitting = family.filter_map(|f| self.by_effort.get(&(f.clone(), effort.to_owned()))).next();
        fitting.map_or(&entry.id, |place| &self.entries[*place].id)
    }

    /// Every model in the order of the file.
    pub fn list(&self) -> impl Iterator<Item = ChatModel> {
        self.entries.iter().map(Entry::describe)
    }

    /// One model by id or alias, with or without a date.
    pub fn get(&self, name: &str) -> Option<ChatModel> {
        self.entry(name).map(Entry::describe)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        let place = self.by_name.get(name).or_else(|| self.by_name.get(without_date(name)?))?;
        Some(&self.entries[*place])
    }
}

/// A name without the date that makers put behind it to pin a version, or the `latest` that stands for one. The upstream
/// has one version of each.
fn without_date(name: &str) -> Option<&str> {
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let (stem, last) = name.rsplit_once('-')?;
    if last == "latest" || digits(last, 8) {
        return Some(stem);
    }
    let (stem, month) = stem.rsplit_once('-')?;
    let (stem, year) = stem.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(stem)
}

impl Entry {
    fn describe(&self) -> ChatModel {
        ChatModel {
            name: format!("chatModels/{}", self.id),
            model_id: self.id.clone(),
            display_name: self.name.clone(),
            description: self.about.clone(),
            provider: self.provider.clone(),
            vision_supported: self.vision,
            aliases: self.aliases.clone(),
            categories: self.categories.clone(),
            create_time: Some(prost_types::Timestamp { seconds: CREATED, nanos: 0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_stands_for_one_model() {
        let models = Models::built_in();
        let mut names = HashSet::new();
        for entry in &models.entries {
            for name in std::iter::once(&entry.id).chain(&entry.aliases) {
                assert!(names.insert(name), "{name} is there twice");
            }
            assert_eq!(entry.family.is_some(), entry.effort.is_some(), "{}", entry.id);
        }
    }

    #[test]
    fn names_and_efforts_choose_the_entry() {
        let models = Models::built_in();
        for (name, effort, expected) in [
            ("", "", "auto"),
            ("gpt-5", "", "gpt-5"),
            ("gpt-5", "high", "gpt-5 (high reasoning)"),
            ("gpt-5 (high reasoning)", "", "gpt-5 (high reasoning)"),
            ("gpt-5.2", "xhigh", "gpt-5-2-xhigh"),
            ("gpt-5.2", "minimal", "gpt-5-2-medium"),
            ("claude-sonnet-4-5-20250929", "high", "claude-4-5-sonnet"),
            ("claude-sonnet-4-5-20990101", "", "claude-4-5-sonnet"),
            ("claude-opus-4-6-20260205", "max", "claude-4-6-opus-max"),
            ("claude-sonnet-4-5-latest", "", "claude-4-5-sonnet"),
            ("claude-3-5-haiku-latest", "", "claude-4-5-haiku"),
            ("claude-3-7-sonnet-20250219", "", "claude-4-sonnet"),
            ("gpt-4o-2024-08-06", "", "gpt-4o"),
            ("gpt-5.1-2025-11-13", "high", "gpt-5-1-high-reasoning"),
            ("some-model-of-2027", "high", "some-model-of-2027"),
            ("some-model-20270101", "", "some-model-20270101"),
            ("claude-sonnet-4-5-2025092", "", "claude-sonnet-4-5-2025092"),
            ("gpt-4o-08-06", "", "gpt-4o-08-06"),
            ("-20250929", "", "-20250929"),
            ("latest", "", "latest"),
        ] {
            assert_eq!(models.resolve(name, effort), expected, "{name} with {effort}");
        }
    }
}
