//! The commands, each with the calls it needs and what it shows.

use std::io::{IsTerminal as _, Write};
use std::time::SystemTime;

use prost_types::FieldMask;
use serde_json::Value;
use warp2api_proto::token_pool::v1::*;

use super::args::{AddArgs, Command, RemoveArgs, UpdateArgs};
use super::client::Client;
use super::failure::Failure;
use super::names::{find, find_one, id};
use super::several::{Change, change, check, outcome, remove};
use super::{export, import, json, secret, show};

/// What a command needs to have read before anything is called.
#[derive(Debug)]
pub(super) enum Prepared {
    Nothing,
    Secret(String),
    Items(Vec<import::Item>),
}

/// Reads what a command needs, and refuses what cannot come to anything.
pub(super) fn prepare(command: &Command) -> Result<Prepared, Failure> {
    match command {
        Command::Add(args) => Ok(Prepared::Secret(secret::read(args.secret_env.as_deref())?)),
        Command::Update(args) if args.secret || args.secret_env.is_some() => {
            Ok(Prepared::Secret(secret::read(args.secret_env.as_deref())?))
        }
        Command::Update(UpdateArgs { name: None, tier: None, leases: None, .. }) => Err(Failure::Usage(
            "say what is to be different: --name, --tier, --leases or --secret".to_owned(),
        )),
        Command::Import(args) => import::read(args).map(Prepared::Items),
        Command::Remove(RemoveArgs { yes: false, .. }) if !std::io::stdin().is_terminal() => {
            Err(Failure::Usage("nobody can be asked here: --yes removes without a question".to_owned()))
        }
        _ => Ok(Prepared::Nothing),
    }
}

/// Runs a command and writes what it shows.
pub(super) async fn run(
    command: &Command,
    prepared: Prepared,
    as_json: bool,
    client: &Client,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let now = SystemTime::now();
    let mut show = |text: String, value: Value| {
        let text = if as_json { json::document(&value) } else { text };
        out.write_all(text.as_bytes()).map_err(Failure::Write)
    };
    match (command, prepared) {
        (Command::Add(args), Prepared::Secret(secret)) => {
            let added = client.create(addition(args, secret)).await?;
            let words = [show::tier(added.tier()), show::kind(added.kind()), &added.display_name].join(" ");
            show(format!("added {} ({words})\n", id(&added)), json::message("Credential", &added))?;
            warn_embedded(client).await
        }
        (Command::List(args), _) => {
            let listed = client.list(args.tier.map(Into::into), args.state.map(Into::into)).await?;
            if listed.is_empty() {
                crate::aside!("no credentials; `warp2api tokens add` adds one");
            }
            let table = if listed.is_empty() { String::new() } else { show::credentials(&listed, now) };
            show(table, json::messages("Credential", &listed))
        }
        (Command::Show(args), _) => {
            let all = client.list(None, None).await?;
            let one = find_one(&all, &args.credential)?;
            show(show::credential(one, now), json::message("Credential", one))
        }
        (Command::Check(args), _) => {
            let all = client.list(None, None).await?;
            let wanted = if args.credentials.is_empty() {
                all.iter().collect()
            } else {
                find(&all, &args.credentials)?
            };
            let (found, failed) = check(client, &wanted).await?;
            show(show::findings(&found), json::messages("CheckCredentialResponse", &found))?;
            let bad = found.iter().filter(|one| one.finding() != CredentialFinding::Good).count();
            outcome(bad + failed, wanted.len(), "credentials are not good")
        }
        (Command::Disable(args), _) => {
            change(client, &args.which.credentials, Change::Disable(&args.reason), &mut show).await
        }
        (Command::Enable(args), _) => change(client, &args.credentials, Change::Enable, &mut show).await,
        (Command::Recover(args), _) => change(client, &args.credentials, Change::Recover, &mut show).await,
        (Command::Refresh(args), _) => change(client, &args.credentials, Change::Refresh, &mut show).await,
        (Command::Update(args), prepared) => {
            let all = client.list(None, None).await?;
            let one = find_one(&all, &args.which.credential)?;
            let secret = if let Prepared::Secret(secret) = prepared { Some(secret) } else { None };
            let changed = client.update(edit(one, args, secret)).await?;
            show(show::credentials([&changed], now), json::message("Credential", &changed))
        }
        (Command::Remove(args), _) => remove(client, args, &mut show).await,
        (Command::Import(args), Prepared::Items(items)) => {
            import::run(client, items, args.dry_run, as_json, out).await?;
            warn_embedded(client).await
        }
        (Command::Export, _) => {
            let list = export::list(&client.list(None, None).await?);
            show(json::document(&list), list)
        }
        (Command::Guest, _) => {
            let guest = client.guest().await?;
            crate::aside!(
                "{}",
                if guest.created { "signed in as a guest" } else { "the guest was there already" }
            );
            let table = show::credentials(&guest.credential, now);
            show(table, json::message("CreateGuestCredentialResponse", &guest))
        }
        (Command::Audit(args), _) => {
            let limit = if args.limit == 0 { usize::MAX } else { args.limit };
            let of = match &args.credential {
                None => String::new(),
                Some(word) => removed_or_there(&client.list(None, None).await?, word)?,
            };
            let events = client.audit(&of, limit).await?;
            show(show::trail(&events), json::messages("AuditEvent", &events))
        }
        (Command::Status, _) => {
            let status = client.status().await?;
            show(show::status(&status, now), json::message("GetPoolStatusResponse", &status))
        }
        (Command::RotateKey, _) => {
            let rotated = client.rotate_key().await?;
            let RotateStoreKeyResponse { previous_key_id, key_id } = &rotated;
            let text = format!(
                "the secrets in the store are sealed with the key {key_id}, no longer {previous_key_id}\n"
            );
            show(text, json::message("RotateStoreKeyResponse", &rotated))
        }
        (Command::Add(_) | Command::Import(_), _) => Ok(()),
    }
}

fn addition(args: &AddArgs, secret: String) -> CreateCredentialRequest {
    CreateCredentialRequest {
        credential: Some(Credential {
            display_name: args.name.clone().unwrap_or_default(),
            tier: CredentialTier::from(args.tier).into(),
            kind: args.kind.map(CredentialKind::from).unwrap_or_default().into(),
            max_in_flight: args.leases.unwrap_or_default(),
            secret,
            ..Credential::default()
        }),
        credential_id: args.id.clone().unwrap_or_default(),
        ..CreateCredentialRequest::default()
    }
}

fn edit(one: &Credential, args: &UpdateArgs, secret: Option<String>) -> UpdateCredentialRequest {
    let paths = [
        ("display_name", args.name.is_some()),
        ("tier", args.tier.is_some()),
        ("max_in_flight", args.leases.is_some()),
        ("secret", secret.is_some()),
    ];
    let paths = paths.into_iter().filter(|(_, changes)| *changes).map(|(path, _)| path.to_owned());
    UpdateCredentialRequest {
        update_mask: Some(FieldMask { paths: paths.collect() }),
        credential: Some(Credential {
            name: one.name.clone(),
            etag: one.etag.clone(),
            display_name: args.name.clone().unwrap_or_default(),
            tier: args.tier.map(CredentialTier::from).unwrap_or_default().into(),
            max_in_flight: args.leases.unwrap_or_default(),
            secret: secret.unwrap_or_default(),
            ..Credential::default()
        }),
    }
}

/// The name of a credential that is there, or of one that may have been.
fn removed_or_there(all: &[Credential], word: &str) -> Result<String, Failure> {
    match find_one(all, word) {
        Ok(one) => Ok(one.name.clone()),
        Err(failure) => {
            let word = word.strip_prefix("credentials/").unwrap_or(word);
            let is_id = warp2api_token_pool::CredentialId::parse(word).is_some();
            if is_id { Ok(format!("credentials/{word}")) } else { Err(failure) }
        }
    }
}

/// Says that what was added serves nobody yet.
async fn warn_embedded(client: &Client) -> Result<(), Failure> {
    if client.status().await?.unused_count > 0 {
        crate::aside!(
            "this service runs on the embedded upstream; credentials for Warp serve from the next start on that runs on \
             Warp"
        );
    }
    Ok(())
}
