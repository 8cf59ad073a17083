//! Where settings come from: flags, the environment, `.env` in the working directory, the config file.

use std::path::{Path, PathBuf};

use crate::settings::Settings;

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
    /// The config file is no TOML, or has a key that is no setting.
    #[error("the config file {path} has a mistake")]
    Parse {
        /// Which one.
        path: PathBuf,
        /// What and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// `.env` has a line that is none.
    #[error("the file .env has a line that cannot be read; write NAME=value")]
    DotEnv,
}

/// Gathers the settings from everywhere, the strongest first: `flags`, environment, `.env`, config file.
///
/// # Errors
/// When a source is there and cannot be read.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
pub fn gather(flags: Settings, config_file: Option<PathBuf>) -> Result<Settings, SourceError> {
    let environment = Settings::from_variables(|name| std::env::var(name).ok());
    let dot_env = dot_env(Path::new(".env"))?;
    let from_dot_env = Settings::from_variables(|name| {
        dot_env.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    });
    let named = config_file.or_else(|| std::env::var_os("W2A_CONFIG").map(PathBuf::from));
    let file = named.map(|path| read_file(&path)).transpose()?.unwrap_or_default();
    Ok(flags.or(environment).or(from_dot_env).or(file))
}

fn read_file(path: &Path) -> Result<Settings, SourceError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SourceError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|source| SourceError::Parse { path: path.to_owned(), source: Box::new(source) })
}

/// The variables of a `.env` file, none if there is no such file. It is never written.
fn dot_env(path: &Path) -> Result<Vec<(String, String)>, SourceError> {
    let Ok(lines) = dotenvy::from_path_iter(path) else { return Ok(Vec::new()) };
    // Its errors quote the line, which may hold a secret.
    lines.collect::<Result<_, _>>().map_err(|_| SourceError::DotEnv)
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
        let read = dot_env(good.path()).unwrap();
        assert_eq!(read, [("PORT".into(), "7".into()), ("WARP_API_KEY".into(), "wk-1".into())]);

        let bad = file("planted secret without equals\n");
        assert!(!format!("{:?}", dot_env(bad.path()).unwrap_err()).contains("planted"));
        assert_eq!(dot_env(Path::new("/nowhere/.env")).unwrap(), []);
    }

    #[test]
    fn a_config_file_that_was_named_must_be_there_and_right() {
        assert!(matches!(read_file(Path::new("/nowhere")), Err(SourceError::Read { .. })));
        assert!(matches!(read_file(file("prot = 1").path()), Err(SourceError::Parse { .. })));
        assert_eq!(read_file(file("port = 1").path()).unwrap().port.as_deref(), Some("1"));
    }
}
