//! `warp2api tokens import`: what is in a file becomes credentials, one call for each. What the pool has already, by its
//! secret, stays as it is, so that the same file can be imported again.

use std::io::{Read as _, Write};
use std::path::Path;

use serde_json::{Value, json};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::{CreateCredentialRequest, Credential, CredentialKind, CredentialTier};
use warp2api_token_pool::import::{self, Entry, Found};
use warp2api_token_pool::{Kind, Tier};

use super::args::ImportArgs;
use super::client::Client;
use super::failure::Failure;
use super::names::id;
use super::{env_file, json, show};

const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// One thing in a file.
#[derive(Debug)]
pub(super) struct Item {
    line: Option<usize>,
    place: String,
    step: Step,
}

/// What is to be done about it.
#[derive(Debug)]
enum Step {
    Add(Box<Found>),
    /// It stands elsewhere as well, where it counts.
    Same(String),
    Refuse(String),
}

/// What came of it.
#[derive(Debug)]
enum Outcome {
    Added(Box<Credential>),
    Known(String),
    Refused(String),
}

/// Reads a file, or standard input.
pub(super) fn read(args: &ImportArgs) -> Result<Vec<Item>, Failure> {
    let name =
        if args.file == Path::new("-") { "standard input".into() } else { args.file.display().to_string() };
    let failed = |source| Failure::Input { name: name.clone(), source };
    let mut bytes = Vec::new();
    if args.file == Path::new("-") {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(&args.file).map_err(failed)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    let malformed = |words: String| Failure::Malformed { name: name.clone(), words };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(malformed("has more than 16 MiB".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| malformed("is not UTF-8".to_owned()))?;
    let items = plan(&text, args.tier.into()).map_err(malformed)?;
    if items.is_empty() {
        return Err(malformed("there is no credential in it".to_owned()));
    }
    Ok(items)
}

/// What is in a text, in the order of its lines. Pure.
fn plan(text: &str, tier: Tier) -> Result<Vec<Item>, String> {
    let (entries, problems) = if text.trim_start_matches('\u{feff}').trim_start().starts_with(['[', '{']) {
        let text = text.trim_start_matches('\u{feff}');
        (import::from_json(text.as_bytes(), tier).map_err(|error| error.to_string())?, Vec::new())
    } else {
        let file = env_file::read(text);
        let mut entries = import::from_variables(&file.variables);
        for entry in &mut entries {
            entry.line = entry.variable.and_then(|variable| file.lines.get(variable).copied());
        }
        (entries, file.problems)
    };
    let places: Vec<_> = entries.iter().map(place).collect();
    let duplicates = import::duplicates(&entries);
    let items = entries.into_iter().enumerate().map(|(index, entry)| Item {
        step: match (duplicates.get(&index), entry.found) {
            (Some(other), _) => Step::Same(places[*other].clone()),
            (None, Ok(found)) => Step::Add(Box::new(found)),
            (None, Err(reason)) => Step::Refuse(reason),
        },
        line: entry.line,
        place: entry.place,
    });
    let unread = problems.into_iter().map(|(line, words)| Item {
        line: Some(line),
        place: String::new(),
        step: Step::Refuse(words),
    });
    let mut items: Vec<_> = items.chain(unread).collect();
    items.sort_by_key(|item| item.line);
    Ok(items)
}

fn place(entry: &Entry) -> String {
    whole_place(entry.line, &entry.place)
}

fn whole_place(line: Option<usize>, place: &str) -> String {
    match line {
        Some(line) if place.is_empty() => format!("line {line}"),
        Some(line) => format!("line {line}, {place}"),
        None => place.to_owned(),
    }
}

/// Adds what there is to add, and tells each line.
pub(super) async fn run(
    client: &Client,
    items: Vec<Item>,
    dry_run: bool,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let all = items.len();
    let (mut added, mut known, mut refused) = (0, 0, 0);
    let mut told = Vec::new();
    for Item { line, place, step } in items {
        let outcome = match step {
            Step::Refuse(reason) => Outcome::Refused(reason),
            Step::Same(other) => Outcome::Known(format!("the same as {other}")),
            Step::Add(found) => add(client, *found, dry_run).await?,
        };
        *match &outcome {
            Outcome::Added(_) => &mut added,
            Outcome::Known(_) => &mut known,
            Outcome::Refused(_) => &mut refused,
        } += 1;
        if as_json {
            told.push(value(line, &place, &outcome));
        } else {
            let words = words(&outcome, dry_run);
            writeln!(out, "{}: {words}", whole_place(line, &place)).map_err(Failure::Write)?;
        }
    }
    if as_json {
        out.write_all(json::document(&Value::Array(told)).as_bytes()).map_err(Failure::Write)?;
    } else {
        let done = if dry_run { "would be added, nothing was changed" } else { "added" };
        writeln!(out, "{added} {done}; {known} there already; {refused} refused").map_err(Failure::Write)?;
    }
    if refused > 0 {
        return Err(Failure::Some { failed: refused, all, what: "entries were refused" });
    }
    Ok(())
}

async fn add(client: &Client, found: Found, validate_only: bool) -> Result<Outcome, Failure> {
    let refusal = match client.create(request(found, validate_only)).await {
        Ok(credential) => return Ok(Outcome::Added(Box::new(credential))),
        Err(Failure::Call(refusal)) => refusal,
        Err(failure) => return Err(failure),
    };
    let value = |name: &str| {
        let mut metadata = refusal.failure.metadata.iter();
        metadata.find_map(|(key, value)| (key == name).then_some(value.as_str()))
    };
    match (refusal.failure.reason, value("cause")) {
        (ErrorReason::CredentialExists, Some("id_taken")) | (ErrorReason::InvalidField, _) => {
            Ok(Outcome::Refused(refusal.failure.message))
        }
        (ErrorReason::CredentialExists, _) => {
            let known = value("credential").unwrap_or_default();
            let known = known.strip_prefix("credentials/").unwrap_or(known);
            Ok(Outcome::Known(format!("there already, as {known}")))
        }
        _ => Err(Failure::Call(refusal)),
    }
}

/// The call that adds what was found.
fn request(found: Found, validate_only: bool) -> CreateCredentialRequest {
    let Found { new, id, max_in_flight } = found;
    let tier = match new.tier {
        Tier::Personal => CredentialTier::Personal,
        Tier::Shared => CredentialTier::Shared,
        Tier::Anonymous => CredentialTier::Anonymous,
    };
    let kind = match new.kind {
        Kind::ApiKey => CredentialKind::ApiKey,
        Kind::RefreshToken => CredentialKind::RefreshToken,
        Kind::StaticJwt => CredentialKind::StaticJwt,
        Kind::Embedded => CredentialKind::Embedded,
    };
    CreateCredentialRequest {
        credential: Some(Credential {
            display_name: new.display_name.unwrap_or_default(),
            tier: tier.into(),
            kind: kind.into(),
            max_in_flight: max_in_flight.map_or(0, |most| i32::try_from(most).unwrap_or(i32::MAX)),
            secret: new.secret.expose().to_owned(),
            ..Credential::default()
        }),
        credential_id: id.map(|id| id.to_string()).unwrap_or_default(),
        request_id: String::new(),
        validate_only,
    }
}

fn words(outcome: &Outcome, dry_run: bool) -> String {
    match outcome {
        Outcome::Added(one) => {
            let added = if dry_run { "would be added" } else { "added" };
            format!("{added} as {} ({} {})", id(one), show::tier(one.tier()), show::kind(one.kind()))
        }
        Outcome::Known(words) => words.clone(),
        Outcome::Refused(reason) => format!("refused: {reason}"),
    }
}

fn value(line: Option<usize>, place: &str, outcome: &Outcome) -> Value {
    let mut value = json!({ "line": line, "place": place });
    match outcome {
        Outcome::Added(one) => {
            value["result"] = "added".into();
            value["credential"] = json::message("Credential", one.as_ref());
        }
        Outcome::Known(words) => {
            value["result"] = "known".into();
            value["detail"] = words.as_str().into();
        }
        Outcome::Refused(reason) => {
            value["result"] = "refused".into();
            value["detail"] = reason.as_str().into();
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let items = plan(text, Tier::Shared).unwrap();
        let step = |step: &Step| match step {
            Step::Add(found) => format!("{:?} {:?}", found.new.tier, found.new.kind),
            Step::Same(other) => format!("same as {other}"),
            Step::Refuse(reason) => format!("refuse: {reason}"),
        };
        items
            .iter()
            .map(|item| format!("{}: {}", whole_place(item.line, &item.place), step(&item.step)))
            .collect()
    }

    #[test]
    fn a_file_of_variables_is_told_by_its_lines_and_the_best_tier_counts() {
        let text = "\
HOST=127.0.0.1
WARP_SHARED_TOKENS=planted-1,planted-2
nonsense
WARP_PERSONAL_TOKENS=\"me=planted-1,
two words\"
WARP_REFRESH_TOKEN=your_warp_refresh_token_here
WARP_API_KEY=wk-planted
";
        let expected = [
            "line 2, WARP_SHARED_TOKENS, entry 1: same as line 4, WARP_PERSONAL_TOKENS, entry 1",
            "line 2, WARP_SHARED_TOKENS, entry 2: Shared RefreshToken",
            "line 3: refuse: is no NAME=value",
            "line 4, WARP_PERSONAL_TOKENS, entry 1: Personal RefreshToken",
            "line 4, WARP_PERSONAL_TOKENS, entry 2: refuse: has spaces or other characters that no token has",
            "line 7, WARP_API_KEY, entry 1: Personal ApiKey",
        ];
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn a_list_is_told_by_its_lines() {
        let text = "[\n\"a\",\n{\"secret\": \"a\", \"tier\": \"personal\"},\n\n7]";
        let expected = [
            "line 2, [0]: same as line 3, [1]",
            "line 3, [1]: Personal RefreshToken",
            "line 5, [2]: refuse: has no secret: an export holds none, fill it in as `secret`",
        ];
        assert_eq!(shown(text), expected);
        assert_eq!(plan("{\n  \"planted", Tier::Shared).unwrap_err(), "is no JSON from line 2 on");
    }
}
