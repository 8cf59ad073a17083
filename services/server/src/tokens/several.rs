//! Commands on several credentials: each is tried, what fails is told, and the rest goes on.

use std::io::Write as _;
use std::time::SystemTime;

use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;
use warp2api_proto::token_pool::v1::{CheckCredentialResponse, Credential};

use super::args::RemoveArgs;
use super::client::Client;
use super::failure::Failure;
use super::names::{find, id};
use super::{json, show};

/// Credentials that are asked about at once.
const CHECKS: usize = 4;

/// Asks about credentials, a few at once. What was found, and how many could not be asked about, which is told.
pub(super) async fn check(
    client: &Client,
    wanted: &[&Credential],
) -> Result<(Vec<CheckCredentialResponse>, usize), Failure> {
    let names: Vec<_> = wanted.iter().map(|one| one.name.clone()).collect();
    let answers: Vec<_> = stream::iter(names).map(|name| client.check(name)).buffered(CHECKS).collect().await;
    let (mut found, mut failed) = (Vec::new(), 0);
    for (answer, one) in answers.into_iter().zip(wanted) {
        match answer {
            Ok(answer) => found.push(answer),
            Err(failure) => {
                crate::aside!("{}: {failure}", id(one));
                failed += 1;
            }
        }
    }
    Ok((found, failed))
}

/// What an operator decides about a credential.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    Disable(&'a str),
    Enable,
    Recover,
    Refresh,
}

/// Changes each of some credentials; none if one of them is not there.
pub(super) async fn change(
    client: &Client,
    words: &[String],
    change: Change<'_>,
    show: &mut impl FnMut(String, Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let all = client.list(None, None).await?;
    let wanted = find(&all, words)?;
    let (mut changed, mut failed) = (Vec::new(), 0);
    for one in &wanted {
        let name = one.name.clone();
        let answer = match change {
            Change::Disable(reason) => client.disable(name, reason.to_owned()).await,
            Change::Enable => client.enable(name).await,
            Change::Recover => client.recover(name).await,
            Change::Refresh => client.refresh(name).await,
        };
        match answer {
            Ok(credential) => changed.push(credential),
            Err(failure) => {
                crate::aside!("{}: {failure}", id(one));
                failed += 1;
            }
        }
    }
    let table =
        if changed.is_empty() { String::new() } else { show::credentials(&changed, SystemTime::now()) };
    show(table, json::messages("Credential", &changed))?;
    outcome(failed, wanted.len(), "credentials were not changed")
}

pub(super) async fn remove(
    client: &Client,
    args: &RemoveArgs,
    show: &mut impl FnMut(String, Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let all = client.list(None, None).await?;
    let wanted = find(&all, &args.which.credentials)?;
    let (mut removed, mut failed, mut text) = (Vec::new(), 0, String::new());
    for one in &wanted {
        let words = [show::tier(one.tier()), show::kind(one.kind()), &one.display_name].join(" ");
        if !args.yes && !asked(&format!("remove {} ({words})? [y/N] ", id(one)))? {
            continue;
        }
        match client.delete(one.name.clone(), one.etag.clone()).await {
            Ok(()) => {
                text.push_str(&format!("removed {} ({words})\n", id(one)));
                removed.push(*one);
            }
            Err(failure) => {
                crate::aside!("{}: {failure}", id(one));
                failed += 1;
            }
        }
    }
    show(text, json::messages("Credential", removed))?;
    outcome(failed, wanted.len(), "credentials were not removed")
}

fn asked(question: &str) -> Result<bool, Failure> {
    // Where nobody can be asked there is no answer to read either.
    drop(write!(std::io::stderr(), "{question}"));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|source| Failure::Input { name: "standard input".to_owned(), source })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Success, or how many of them failed.
pub(super) fn outcome(failed: usize, all: usize, what: &'static str) -> Result<(), Failure> {
    if failed == 0 { Ok(()) } else { Err(Failure::Some { failed, all, what }) }
}
