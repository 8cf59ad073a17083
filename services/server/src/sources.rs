//! Where settings come from: flags, the environment, `.env` in the working directory, the config file. And where each
//! was written, so that a mistake can be found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::settings::{Settings, TABLE, nearest};

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
    /// The config file is no TOML.
    #[error("the config file {path} has a mistake")]
    Parse {
        /// Which one.
        path: PathBuf,
        /// What and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The config file has keys that are no settings, or values that no setting can have.
    #[error("{}", .0.join("\n"))]
    Keys(Vec<String>),
    /// `.env` has a line that is none.
    #[error("the file .env has a line that cannot be read; write NAME=value")]
    DotEnv,
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
    /// What looks like a setting in the environment and is none.
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
        let config_file = config_file.or_else(|| std::env::var_os("W2A_CONFIG").map(PathBuf::from));
        Self { flags, config_file }
    }

    /// Gathers the settings from everywhere, the strongest first: flags, environment, `.env`, config file.
    ///
    /// # Errors
    /// When a source is there and cannot be read.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    pub fn gather(&self) -> Result<Gathered, SourceError> {
        let mut origins = Origins::default();
        let flags = self.flags.clone();
        origins.note(&flags, |key| format!("the flag --{}", key.replace('_', "-")));
        let environment = Settings::from_variables(|name| std::env::var(name).ok());
        origins.note(&environment, |_| "the environment".to_owned());
        let (lines, text) = dot_env(Path::new(".env"))?;
        let from_dot_env = Settings::from_variables(|name| {
            lines.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        });
        origins.note(&from_dot_env, |key| format!(".env line {}", line_of_variable(&text, key)));
        let file = match &self.config_file {
            Some(path) => {
                let read = read_file(path)?;
                let line = |key: &str| read.lines.get(key).copied().unwrap_or(1);
                origins.note(&read.settings, |key| format!("{} line {}", path.display(), line(key)));
                read.settings
            }
            None => Settings::default(),
        };
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let known =
            |name: &String| name == "W2A_CONFIG" || TABLE.iter().any(|described| described.env == name);
        let ours = |name: &String| name.starts_with("W2A_") || name.starts_with("OTEL_");
        let strangers = names.filter(|name| ours(name) && !known(name)).collect();
        Ok(Gathered { settings: flags.or(environment).or(from_dot_env).or(file), origins, strangers })
    }

    /// What the files hold now, to see whether they have changed. `None` for one that cannot be read.
    pub fn files(&self) -> Vec<Option<Vec<u8>>> {
        let files = self.config_file.iter().map(PathBuf::as_path).chain([Path::new(".env")]);
        files.map(|path| std::fs::read(path).ok()).collect()
    }
}

/// A config file that was read.
#[derive(Debug)]
struct Read {
    settings: Settings,
    lines: BTreeMap<String, usize>,
}

fn read_file(path: &Path) -> Result<Read, SourceError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SourceError::Read { path: path.to_owned(), source })?;
    let entries: BTreeMap<toml::Spanned<String>, toml::Value> = toml::from_str(&text)
        .map_err(|source| SourceError::Parse { path: path.to_owned(), source: Box::new(source) })?;
    let (mut values, mut lines, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
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
    if !problems.is_empty() {
        return Err(SourceError::Keys(problems));
    }
    Ok(Read { settings: Settings::from_keys(|key| values.get(key).cloned()), lines })
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

/// The variables of a `.env` file and its text, nothing if there is no such file. It is never written.
fn dot_env(path: &Path) -> Result<(Vec<(String, String)>, String), SourceError> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(Default::default()) };
    let lines = dotenvy::from_read_iter(text.as_bytes());
    // Its errors quote the line, which may hold a secret.
    let lines = lines.collect::<Result<_, _>>().map_err(|_| SourceError::DotEnv)?;
    Ok((lines, text))
}

/// The last line that sets the setting `key`.
fn line_of_variable(text: &str, key: &str) -> usize {
    let name = TABLE.iter().find(|described| described.key == key).map_or(key, |described| described.env);
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
        let good = file("# comment\nPORT=7\nWARP_API_KEY=\"wk-1\"\n");
        let (read, text) = dot_env(good.path()).unwrap();
        assert_eq!(read, [("PORT".into(), "7".into()), ("WARP_API_KEY".into(), "wk-1".into())]);
        assert_eq!((line_of_variable(&text, "port"), line_of_variable(&text, "warp_api_key")), (2, 3));

        let bad = file("planted secret without equals\n");
        assert!(!format!("{:?}", dot_env(bad.path()).unwrap_err()).contains("planted"));
        assert_eq!(dot_env(Path::new("/nowhere/.env")).unwrap(), Default::default());
    }

    #[test]
    fn a_config_file_that_was_named_must_be_there_and_right() {
        assert!(matches!(read_file(Path::new("/nowhere")), Err(SourceError::Read { .. })));
        assert!(matches!(read_file(file("port = ").path()), Err(SourceError::Parse { .. })));
        let read = read_file(file("# first\nport = 1\nverbose = true\ndrain_timeout = 0.5").path()).unwrap();
        assert_eq!(read.settings.port.as_deref(), Some("1"));
        assert_eq!(read.settings.verbose.as_deref(), Some("true"));
        assert_eq!(read.settings.drain_timeout.as_deref(), Some("0.5"));
        assert_eq!(read.lines["drain_timeout"], 4);
    }

    #[test]
    fn every_key_that_is_no_setting_is_named_with_its_line_and_what_was_meant() {
        let file = file("prot = 1\nhost = \"a\"\n[keepalive]\nseconds = 3\n\n[nothing.of.the.kind]\n");

        let Err(SourceError::Keys(problems)) = read_file(file.path()) else { panic!("it is wrong") };

        let path = file.path().display();
        assert_eq!(
            problems,
            [
                format!("{path} line 3: keepalive wants a string, a number or a boolean"),
                format!("{path} line 6: there is no setting `nothing`"),
                format!("{path} line 1: there is no setting `prot`; did you mean `port`?"),
            ]
        );
    }
}
