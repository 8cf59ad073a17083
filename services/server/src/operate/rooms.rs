//! A house in several processes, to the doctor: which part of it this is, and whether the next one answers.

use std::path::PathBuf;

use http::Method;
use warp2api_rpc::endpoint::Place;
use warp2api_rpc::tls::ClientTls;

use super::ask::ask;
use super::note::Note;
use super::report::Line;
use super::{House, chain, remote};
use crate::config::{Config, Role};
use crate::settings::Settings;
use crate::trust;

/// Which part of a house the settings are for: the one that runs on their data folder, or what the places of other parts
/// make of it.
pub(super) fn implied(notes: &[Note], settings: &Settings) -> Role {
    let elsewhere = |place: &Option<String>| place.as_ref().is_some_and(|place| place != "local");
    match notes {
        [note] => note.known_role().unwrap_or(Role::All),
        _ if elsewhere(&settings.warp_chat) => Role::Gateway,
        _ if elsewhere(&settings.token_pool) => Role::WarpChat,
        _ => Role::All,
    }
}

/// Whether the service that this part needs answers, if that is elsewhere.
pub(super) async fn next(house: &House) -> Option<Line> {
    let places = &house.config.places;
    let (name, place, setting) = match house.config.role {
        Role::Gateway => ("chat service", &places.warp_chat, "W2A_WARP_CHAT"),
        Role::WarpChat => ("token pool", &places.token_pool, "W2A_TOKEN_POOL"),
        _ => return None,
    };
    let (url, socket) = match place {
        Place::Local => return None,
        Place::Unix(path) => ("http://localhost", Some(PathBuf::from(path))),
        Place::Tcp(url) => (url.trim_end_matches('/'), None),
    };
    Some(match ready(&house.config, url, socket).await {
        Ok((200, _)) => Line::ok(name, format!("{place} answers and can serve")),
        Ok((_, trouble)) => {
            let cure =
                "look there: `warp2api doctor` with its settings, docs/troubleshooting.md knows the reasons";
            Line::warn(name, format!("{place} answers, but cannot serve: {trouble}"), cure)
        }
        Err(words) => {
            let advice = trust::advice(&words, &place.to_string(), &house.config).map(str::to_owned);
            let cure = advice.unwrap_or_else(|| format!("start that service, or correct {setting}"));
            Line::fail(name, format!("{place} cannot be reached: {words}"), cure)
        }
    })
}

/// Asks as this process would: what a tool trusts besides is of no use to it.
async fn ready(config: &Config, url: &str, socket: Option<PathBuf>) -> Result<(u16, String), String> {
    let tls = match &config.security.link {
        Some(files) => ClientTls::client(files.clone()),
        None => trust::none(),
    };
    let client = remote::with(tls.map_err(|error| chain(&error))?, socket)?;
    let url = format!("{url}/readyz");
    let answer = ask(&client, Method::GET, &url, None, None, super::doctor::PATIENCE).await?;
    Ok((answer.status, answer.trouble()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Addresses;

    #[test]
    fn a_part_is_known_by_what_runs_or_by_the_places_of_the_others() {
        let note = |role| Note::of_this_process(role, &Addresses::default());
        let http = Some("http://a:1");
        for (notes, chat, pool, role) in [
            (vec![], None, None, Role::All),
            (vec![], Some("local"), Some("local"), Role::All),
            (vec![], http, None, Role::Gateway),
            (vec![], None, http, Role::WarpChat),
            (vec![note(Role::TokenPool)], None, http, Role::TokenPool),
            (vec![note(Role::All)], None, None, Role::All),
        ] {
            let settings = Settings::from_keys(|key| match key {
                "warp_chat" => chat.map(str::to_owned),
                "token_pool" => pool.map(str::to_owned),
                _ => None,
            });
            assert_eq!(implied(&notes, &settings), role, "{notes:?} {chat:?} {pool:?}");
        }
    }
}
