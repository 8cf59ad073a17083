//! `warp2api keys`: adds, lists, takes back and renews the API keys in the file of the data folder. A key is printed
//! once, alone on standard output; the file has its digest only. A running edge sees a change within seconds.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use warp2api_gateway::{KeyFile, KeyLimits, KeyRecord, Scope, new_key};
use warp2api_rpc::private_file;

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Adds a key and prints it, once.
    Add(AddArgs),
    /// Lists the keys; what opens is not kept.
    List {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
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
        if let Self::List { json } = self {
            let file = KeyFile::load(path)?;
            let text = if *json { format!("{}\n", list_as_json(&file, now)) } else { list(&file, now) };
            return match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                // A reader that has seen enough, such as `head`.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                written => Ok(written?),
            };
        }
        let _turn = Turn::take(path)?;
        let mut file = KeyFile::load(path)?;
        match self {
            Self::Add(args) => {
                let key = new_key(random()?);
                file.add(&key, args.record(now)?)?;
                file.save(path)?;
                show(&key, &args.name, out)?;
                crate::aside!("this is the only time the key of `{}` is shown", args.name);
            }
            Self::Rotate { name } => {
                let key = new_key(random()?);
                file.rotate(name, &key)?;
                file.save(path)?;
                show(&key, name, out)?;
                crate::aside!(
                    "this is the only time the new key of `{name}` is shown; the one before opens no longer"
                );
            }
            Self::Revoke { name } => {
                file.revoke(name, now)?;
                file.save(path)?;
                crate::aside!("the key of `{name}` opens no longer");
            }
            Self::List { .. } => {}
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

/// Prints a key that was just made, the only time it can be had.
fn show(key: &str, name: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let shown = writeln!(out, "{key}").and_then(|()| out.flush());
    shown.with_context(|| {
        format!("the key could not be shown, and nobody has it; `warp2api keys rotate {name}` makes another")
    })
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
        private_file::hand_over(&lock, &beside).with_context(failed)?;
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
    let mut text =
        format!("{:<24} {:<8} {:<8} {:<28} {:<20} ENDS\n", "NAME", "SCOPE", "STATE", "LIMITS", "MADE");
    for key in &file.keys {
        let KeyLimits { requests_per_minute, tokens_per_minute, max_in_flight } = key.limits;
        let limits: Vec<_> = [
            (requests_per_minute, "requests/min"),
            (tokens_per_minute, "tokens/min"),
            (max_in_flight, "at once"),
        ]
        .into_iter()
        .filter_map(|(limit, what)| Some(format!("{} {what}", limit?)))
        .collect();
        let (scopes, state) = (scopes(key).join(","), state(key, now));
        let (limits, made) = (limits.join(", "), time(key.created));
        let ends = key.expires.map_or_else(|| "never".to_owned(), time);
        text += &format!("{:<24} {scopes:<8} {state:<8} {limits:<28} {made:<20} {ends}\n", key.name);
    }
    text
}

fn list_as_json(file: &KeyFile, now: u64) -> Value {
    let key = |key: &KeyRecord| {
        json!({
            "name": key.name,
            "scopes": scopes(key),
            "state": state(key, now),
            "requests_per_minute": key.limits.requests_per_minute,
            "tokens_per_minute": key.limits.tokens_per_minute,
            "max_in_flight": key.limits.max_in_flight,
            "made": time(key.created),
            "ends": key.expires.map(time),
            "revoked": key.revoked.map(time),
        })
    };
    file.keys.iter().map(key).collect()
}

fn scopes(key: &KeyRecord) -> Vec<&'static str> {
    let scopes = Scope::ALL.iter().filter(|(_, scope)| key.scopes.contains(scope));
    scopes.map(|(name, _)| *name).collect()
}

fn state(key: &KeyRecord, now: u64) -> &'static str {
    match (key.revoked, key.expires) {
        (Some(_), _) => "revoked",
        (None, Some(ends)) if ends <= now => "expired",
        (None, _) => "opens",
    }
}

/// Seconds since 1970 as people write them. Empty for what is no time.
fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
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
        let listed = run(KeysCommand::List { json: false }).unwrap();
        assert!(
            listed.contains("app") && listed.contains("models") && listed.contains("5 requests/min"),
            "{listed}"
        );
        let shown: Value = serde_json::from_str(&run(KeysCommand::List { json: true }).unwrap()).unwrap();
        assert_eq!((&shown[0]["name"], &shown[0]["state"]), (&json!("app"), &json!("opens")), "{shown}");
        assert_eq!((&shown[0]["requests_per_minute"], &shown[0]["revoked"]), (&json!(5), &Value::Null));
        assert!(shown[0]["ends"].as_str() > shown[0]["made"].as_str(), "{shown}");
        run(KeysCommand::Revoke { name: "app".to_owned() }).unwrap();

        let listed = run(KeysCommand::List { json: false }).unwrap();
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
