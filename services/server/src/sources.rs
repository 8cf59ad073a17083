//! Where settings come from: flags, the environment, `.env` in the working directory, the config file. And where each
//! was written, so that a mistake can be found.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::read::Problems;
use crate::settings::{Described, Settings, TABLE, nearest};

/// A source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The config file that was named cannot be read.
    #[error("cannot read the config file {path}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The config file is no TOML. What is written there is not quoted: it may be a secret.
    #[error("the config file {path} has a mistake in line {line}, column {column}: {words}")]
    Parse {
        /// Which one.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Where in the line, in characters.
        column: usize,
        /// What.
        words: String,
    },
    /// `.env` is there and cannot be read.
    #[error("cannot read the file .env")]
    DotEnv(#[source] std::io::Error),
    /// The config file has keys that are no settings, or values that no setting can have; `.env` has lines that are none.
    #[error(transparent)]
    Entries(#[from] Problems),
}

/// Where settings are looked for, again and again while the program runs.
#[derive(Debug, Clone)]
pub struct Sources {
    flags: Settings,
    config_file: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// The settings.
    pub settings: Settings,
    /// Where each was written.
    pub origins: Origins,
    /// What looks like a setting in the environment or in `.env` and is none: a sentence for each.
    pub strangers: Vec<String>,
}

/// Where each setting was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, String>);

impl Origins {
    /// The place of the setting `key`, as a person finds it.
    pub fn of(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn note(&mut self, settings: &Settings, place: impl Fn(&str) -> String) {
        for key in settings.written().keys() {
            self.0.entry((*key).to_owned()).or_insert_with(|| place(key));
        }
    }
}

impl Sources {
    /// Flags as they were given, and the config file, of which `W2A_CONFIG` is the other name.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    pub fn new(flags: Settings, config_file: Option<PathBuf>) -> Self {
        let named = || std::env::var_os("W2A_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let config_file = config_file.or_else(named);
        Self { flags, config_file }
    }

    /// Gathers the settings from everywhere, the strongest first: flags, environment, `.env`, config file.
    ///
    /// # Errors
    /// When a source is there and cannot be read, or has entries that are none.
    pub fn gather(&self) -> Result<Gathered, SourceError> {
        let (gathered, problems) = self.look()?;
        if problems.0.is_empty() { Ok(gathered) } else { Err(problems.into()) }
    }

    /// The same, and what is wrong with entries apart, so that all mistakes can be told with those that the other
    /// settings have.
    ///
    /// # Errors
    /// When a source is there and cannot be read.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    pub fn look(&self) -> Result<(Gathered, Problems), SourceError> {
        let mut origins = Origins::default();
        let flags = self.flags.clone();
        origins.note(&flags, |key| format!("the flag --{}", key.replace('_', "-")));
        let environment = Settings::from_variables(|name| std::env::var(name).ok());
        let unreadable = TABLE.iter().filter(|described| {
            std::env::var_os(described.env).is_some_and(|value| value.into_string().is_err())
        });
        let unreadable = unreadable.map(|Described { key, env, .. }| {
            format!("{key} ({env}, from the environment): it is not UTF-8")
        });
        let mut problems: Vec<_> = unreadable.collect();
        origins.note(&environment, |_| "the environment".to_owned());
        let dot_env = dot_env(Path::new(".env")).map_err(SourceError::DotEnv)?;
        let from_dot_env = Settings::from_variables(|name| {
            dot_env.variables.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        });
        let line = |name: &str| format!(".env line {}", line_of_variable(&dot_env.text, name));
        origins.note(&from_dot_env, |key| line(variable_of(key)));
        problems.extend(dot_env.problems);
        let file = match &self.config_file {
            Some(path) => {
                let read = read_file(path)?;
                let line = |key: &str| read.lines.get(key).copied().unwrap_or(1);
                origins.note(&read.settings, |key| format!("{} line {}", path.display(), line(key)));
                problems.extend(read.problems);
                read.settings
            }
            None => Settings::default(),
        };
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let strangers = names.map(|name| (name, "the environment".to_owned()));
        let strangers =
            strangers.chain(dot_env.variables.iter().map(|(name, _)| (name.clone(), line(name)))).collect();
        let gathered = Gathered {
            settings: flags.or(environment).or(from_dot_env).or(file),
            origins,
            strangers: told_of_strangers(strangers),
        };
        Ok((gathered, Problems(problems)))
    }

    /// The same for those who go on with what can be read: a source that cannot be is one of the problems.
    pub fn look_anyway(&self) -> (Gathered, Problems) {
        let error = match self.look() {
            Ok(found) => return found,
            Err(error) => error,
        };
        let without = |error: SourceError| format!("{:#}; the others are used", anyhow::Error::from(error));
        let bare = Self { config_file: None, ..self.clone() };
        let (found, mut problems) = bare.look().unwrap_or_else(|_| (self.nearest(), Problems(Vec::new())));
        problems.0.insert(0, without(error));
        (found, problems)
    }

    /// What needs no file.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    fn nearest(&self) -> Gathered {
        let environment = Settings::from_variables(|name| std::env::var(name).ok());
        Gathered { settings: self.flags.clone().or(environment), ..Gathered::default() }
    }

    /// What the files hold now, to see whether they have changed. `None` for one that cannot be read.
    pub fn files(&self) -> Vec<Option<Vec<u8>>> {
        let files = self.config_file.iter().map(PathBuf::as_path).chain([Path::new(".env")]);
        files.map(|path| std::fs::read(path).ok()).collect()
    }
}

/// What is called like a setting and is none, as people are told.
fn told_of_strangers(names: BTreeMap<String, String>) -> Vec<String> {
    let known = |name: &str| name == "W2A_CONFIG" || TABLE.iter().any(|described| described.env == name);
    let ours = |name: &str| name.starts_with("W2A_") || name.starts_with("OTEL_");
    let strangers = names.into_iter().filter(|(name, _)| ours(name) && !known(name));
    let told = strangers.map(|(name, place)| {
        let near = nearest(name.trim_start_matches("W2A_"));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("{name} is in {place} and no setting{hint}")
    });
    told.collect()
}

/// A config file that was read.
#[derive(Debug)]
struct Read {
    settings: Settings,
    lines: BTreeMap<String, usize>,
    problems: Vec<String>,
}

fn read_file(path: &Path) -> Result<Read, SourceError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SourceError::Read { path: path.to_owned(), source })?;
    let entries: BTreeMap<toml::Spanned<String>, toml::Value> = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        SourceError::Parse {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            words: error.message().to_owned(),
        }
    })?;
    let (mut values, mut lines, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let line = text[..key.span().start].matches('\n').count() + 1;
        let key = key.into_inner();
        let place = format!("{} line {line}", path.display());
        if !TABLE.iter().any(|described| described.key == key) {
            let hint = nearest(&key).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            problems.push(format!("{place}: there is no setting `{key}`{hint}"));
            continue;
        }
        match text_of(&value) {
            Some(value) => {
                lines.insert(key.clone(), line);
                values.insert(key, value);
            }
            None => problems.push(format!("{place}: {key} wants a string, a number or a boolean")),
        }
    }
    Ok(Read { settings: Settings::from_keys(|key| values.get(key).cloned()), lines, problems })
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A `.env` file that was read.
#[derive(Debug, Default, PartialEq, Eq)]
struct DotEnv {
    variables: Vec<(String, String)>,
    text: String,
    problems: Vec<String>,
}

/// Reads a `.env` file, nothing if there is none. It is never written.
fn dot_env(path: &Path) -> std::io::Result<DotEnv> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        // A folder of that name is a virtual environment of Python's.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {
            return Ok(DotEnv::default());
        }
        Err(error) => return Err(error),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
    let (mut variables, mut problems) = (Vec::new(), Vec::new());
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        match entry {
            Ok(entry) => variables.push(entry),
            // Its words quote the line, which may hold a secret.
            Err(dotenvy::Error::LineParse(wrong, _)) => {
                let line =
                    text.find(wrong.as_str()).map_or(1, |start| text[..start].matches('\n').count() + 1);
                problems.push(format!(
                    ".env line {line}: this cannot be read; write NAME=value, and quote values with spaces"
                ));
            }
            Err(_) => problems.push(".env: there is a line that cannot be read; write NAME=value".to_owned()),
        }
    }
    Ok(DotEnv { variables, text, problems })
}

/// The variable of the setting `key`.
fn variable_of(key: &str) -> &str {
    TABLE.iter().find(|described| described.key == key).map_or(key, |described| described.env)
}

/// The last line that sets the variable `name`.
fn line_of_variable(text: &str, name: &str) -> usize {
    let sets = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().enumerate().filter(|(_, line)| sets(line)).last().map_or(1, |(index, _)| index + 1)
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
    fn a_dot_env_file_is_read_and_its_mistakes_quote_nothing() {
        let good = file("\u{feff}# comment\r\nPORT=7\r\nWARP_API_KEY=\"wk-1\"\r\n");
        let read = dot_env(good.path()).unwrap();
        assert_eq!(read.variables, [("PORT".into(), "7".into()), ("WARP_API_KEY".into(), "wk-1".into())]);
        let lines = ["PORT", "WARP_API_KEY"].map(|name| line_of_variable(&read.text, name));
        assert_eq!((lines, read.problems), ([2, 3], vec![]));

        let bad = file("planted secret without equals\nHOST=a\n\nPORT=1 planted\n");
        let read = dot_env(bad.path()).unwrap();
        assert_eq!(read.variables, [("HOST".into(), "a".into())], "what is right is read all the same");
        let lines: Vec<_> = read.problems.iter().map(|problem| problem.split_once(": ").unwrap().0).collect();
        assert_eq!(lines, [".env line 1", ".env line 4"]);
        assert!(!format!("{:?}", read.problems).contains("planted"));
    }

    #[test]
    fn a_dot_env_file_may_be_missing_and_not_unreadable() {
        assert_eq!(dot_env(Path::new("/nowhere/.env")).unwrap(), DotEnv::default());
        assert_eq!(dot_env(tempfile::tempdir().unwrap().path()).unwrap(), DotEnv::default());
        let mut binary = tempfile::NamedTempFile::new().unwrap();
        binary.write_all(b"PORT=\xff\xfe").unwrap();
        assert!(dot_env(binary.path()).is_err());
    }

    #[test]
    fn what_is_called_like_a_setting_is_told_with_its_place() {
        let names = ["W2A_PROT", "W2A_CONFIG", "PATH", "W2A_UPSTREAM", "OTEL_NOTHING"];
        let names = names.map(|name| (name.to_owned(), ".env line 2".to_owned()));

        let told = told_of_strangers(names.into());

        assert_eq!(
            told,
            [
                "OTEL_NOTHING is in .env line 2 and no setting",
                "W2A_PROT is in .env line 2 and no setting; did you mean `port`?",
            ]
        );
    }

    #[test]
    fn a_config_file_that_was_named_must_be_there_and_right() {
        assert!(matches!(read_file(Path::new("/nowhere")), Err(SourceError::Read { .. })));
        let read = read_file(file("# first\nport = 1\nverbose = true\ndrain_timeout = 0.5").path()).unwrap();
        assert_eq!(read.settings.port.as_deref(), Some("1"));
        assert_eq!(read.settings.verbose.as_deref(), Some("true"));
        assert_eq!(read.settings.drain_timeout.as_deref(), Some("0.5"));
        assert_eq!(read.lines["drain_timeout"], 4);
    }

    #[test]
    fn a_mistake_of_the_language_is_told_with_its_place_and_quotes_nothing() {
        for (text, place) in [
            ("port = ", "line 1, column 8"),
            ("port = 1\nwarp_api_key = wk-planted\n", "line 2, column 16"),
            ("warp_api_key = \"wk-planted\nport = 1\n", "line 1, column 27"),
            ("api_token = \"wk-planted\"\napi_token = \"planted\"\n", "line 2, column 1"),
            ("# ä\nwk-planted\n", "line 2, column 11"),
        ] {
            let error = format!("{:#}", anyhow::Error::from(read_file(file(text).path()).unwrap_err()));

            assert!(error.contains(place), "{text}: {error}");
            assert!(!error.contains("planted"), "{error}");
        }
    }

    #[test]
    fn every_key_that_is_no_setting_is_named_with_its_line_and_what_was_meant() {
        let file = file("prot = 1\nhost = \"a\"\n[keepalive]\nseconds = 3\n\n[nothing.of.the.kind]\n");

        let read = read_file(file.path()).unwrap();

        let path = file.path().display();
        assert_eq!(
            read.problems,
            [
                format!("{path} line 1: there is no setting `prot`; did you mean `port`?"),
                format!("{path} line 3: keepalive wants a string, a number or a boolean"),
                format!("{path} line 6: there is no setting `nothing`"),
            ]
        );
        assert_eq!(read.settings.host.as_deref(), Some("a"), "what is right is read all the same");
    }
}
