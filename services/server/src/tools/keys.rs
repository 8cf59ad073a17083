//! `warp2api keys`: adds, lists, takes back and renews the API keys in the file of the data folder. A key is printed
//! once, alone on standard output; the file has its digest only. A running edge sees a change within seconds.

use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use warp2api_gateway::{KeyFile, KeyLimits, KeyRecord, Scope, new_key};

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Adds a key and prints it, once.
    Add(AddArgs),
    /// Lists the keys; what opens is not kept.
    List,
    /// Takes a key back for good.
    Revoke {
        /// Its name.
        name: String,
    },
    /// Gives a key a new secret and prints it, once. What was kept for it stays.
    Rotate {
        /// Its name.
        name: String,
    },
}

/// A key to be added.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Its name: letters, digits and `. _ -`, at most 32.
    name: String,
    /// What it is for: chats, which includes models, or models alone.
    #[arg(long, value_enum, default_value = "chat")]
    scope: ScopeArg,
    /// Requests in a minute. Default: as for every key.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rpm: Option<u32>,
    /// Tokens in a minute. Default: as for every key.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tpm: Option<u32>,
    /// Requests at once. Default: as for every key.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    parallel: Option<u32>,
    /// When it ends: a time such as `2027-01-31T00:00:00Z`, or from now on in days or hours, `30d`, `12h`. Default: never.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeArg {
    Chat,
    Models,
}

impl KeysCommand {
    /// Runs it on the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the change makes no sense.
    pub fn run(&self, path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if matches!(self, Self::List) {
            return Ok(out.write_all(list(&KeyFile::load(path)?, now).as_bytes())?);
        }
        let _turn = Turn::take(path)?;
        let mut file = KeyFile::load(path)?;
        match self {
            Self::Add(args) => {
                let key = new_key(random()?);
                file.add(&key, args.record(now)?)?;
                file.save(path)?;
                writeln!(out, "{key}")?;
                eprintln!("this is the only time the key of `{}` is shown", args.name);
            }
            Self::Rotate { name } => {
                let key = new_key(random()?);
                file.rotate(name, &key)?;
                file.save(path)?;
                writeln!(out, "{key}")?;
                eprintln!(
                    "this is the only time the new key of `{name}` is shown; the one before opens no longer"
                );
            }
            Self::Revoke { name } => {
                file.revoke(name, now)?;
                file.save(path)?;
                eprintln!("the key of `{name}` opens no longer");
            }
            Self::List => {}
        }
        Ok(())
    }
}

impl AddArgs {
    fn record(&self, now: u64) -> anyhow::Result<KeyRecord> {
        let scope = match self.scope {
            ScopeArg::Chat => Scope::Chat,
            ScopeArg::Models => Scope::Models,
        };
        Ok(KeyRecord {
            name: self.name.clone(),
            sha256: String::new(),
            scopes: vec![scope],
            limits: KeyLimits {
                requests_per_minute: self.rpm,
                tokens_per_minute: self.tpm,
                max_in_flight: self.parallel,
            },
            created: now,
            expires: self.expires.as_deref().map(|written| expiry(written, now)).transpose()?,
            revoked: None,
        })
    }
}

/// A file beside the keys that only one command at a time holds open for itself.
struct Turn {
    _lock: std::fs::File,
}

impl Turn {
    fn take(path: &Path) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let beside = path.with_extension("lock");
        let failed = || format!("cannot lock {}", beside.display());
        let lock = std::fs::File::create(&beside).with_context(failed)?;
        lock.lock().with_context(failed)?;
        Ok(Self { _lock: lock })
    }
}

/// When a key ends, in seconds since 1970.
fn expiry(written: &str, now: u64) -> anyhow::Result<u64> {
    let wrong = || format!("--expires: `{written}` is no time; write 30d, 12h or 2027-01-31T00:00:00Z");
    let span = [('d', 24 * 3600), ('h', 3600)].into_iter().find_map(|(unit, seconds)| {
        let number: u64 = written.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds)?.checked_add(now)
    });
    let ends = match span {
        Some(ends) => ends,
        None => {
            let time: jiff::Timestamp = written.parse().ok().with_context(wrong)?;
            u64::try_from(time.as_second()).ok().with_context(wrong)?
        }
    };
    anyhow::ensure!(ends > now, "--expires: {written} is over already");
    Ok(ends)
}

fn list(file: &KeyFile, now: u64) -> String {
    let mut text = format!("{:<24} {:<8} {:<8} {:<28} MADE\n", "NAME", "SCOPE", "STATE", "LIMITS");
    for key in &file.keys {
        let scopes: Vec<_> = Scope::ALL
            .iter()
            .filter(|(_, scope)| key.scopes.contains(scope))
            .map(|(name, _)| *name)
            .collect();
        let state = match (key.revoked, key.expires) {
            (Some(_), _) => "revoked",
            (None, Some(ends)) if ends <= now => "expired",
            (None, _) => "opens",
        };
        let KeyLimits { requests_per_minute, tokens_per_minute, max_in_flight } = key.limits;
        let limits: Vec<_> = [
            (requests_per_minute, "requests/min"),
            (tokens_per_minute, "tokens/min"),
            (max_in_flight, "at once"),
        ]
        .into_iter()
        .filter_map(|(limit, what)| Some(format!("{} {what}", limit?)))
        .collect();
        let made =
            i64::try_from(key.created).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
        let made = made.map(|made| made.to_string()).unwrap_or_default();
        let (scopes, limits) = (scopes.join(","), limits.join(", "));
        text += &format!("{:<24} {scopes:<8} {state:<8} {limits:<28} {made}\n", key.name);
    }
    text
}

fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).ok().context("the system gives no random numbers")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_listed_renewed_and_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/keys.json");
        let run = |command: KeysCommand| {
            let mut out = Vec::new();
            command.run(&path, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        let add = |name: &str| {
            let (scope, expires) = (ScopeArg::Models, Some("30d".to_owned()));
            KeysCommand::Add(AddArgs {
                name: name.to_owned(),
                scope,
                rpm: Some(5),
                tpm: None,
                parallel: None,
                expires,
            })
        };

        let first = run(add("app")).unwrap();
        let second = run(KeysCommand::Rotate { name: "app".to_owned() }).unwrap();
        assert!(first.starts_with("w2a-") && second.starts_with("w2a-") && first != second);
        assert!(run(add("app")).is_err());
        let listed = run(KeysCommand::List).unwrap();
        assert!(
            listed.contains("app") && listed.contains("models") && listed.contains("5 requests/min"),
            "{listed}"
        );
        run(KeysCommand::Revoke { name: "app".to_owned() }).unwrap();

        let listed = run(KeysCommand::List).unwrap();
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(listed.contains("revoked"), "{listed}");
        for key in [first.trim(), second.trim()] {
            assert!(!listed.contains(key) && !kept.contains(key));
        }
        assert!(run(KeysCommand::Revoke { name: "other".to_owned() }).is_err());
    }

    #[test]
    fn an_end_is_a_time_or_a_span_that_is_still_to_come() {
        let now = 1_000_000;
        assert_eq!(expiry("2d", now).unwrap(), now + 2 * 24 * 3600);
        assert_eq!(expiry("12h", now).unwrap(), now + 12 * 3600);
        assert_eq!(expiry("1970-01-12T13:46:41Z", now).unwrap(), now + 1);
        for wrong in ["", "30", "d", "-1d", "soon", "0d", "1970-01-01T00:00:00Z", "99999999999999999999d"] {
            assert!(expiry(wrong, now).is_err(), "{wrong}");
        }
    }
}
