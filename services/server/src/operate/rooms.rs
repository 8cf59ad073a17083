//! A house in several processes, to the doctor: which part of it this is, and whether the next one answers.

use http::Method;
use warp2api_rpc::endpoint::Place;
use warp2api_rpc::http_endpoint::{RemoteHttp, remote};
use warp2api_rpc::tls::ClientTls;

use super::ask::ask;
use super::note::Note;
use super::note_file;
use super::report::Line;
use super::{House, chain};
use crate::config::{Config, Role};
use crate::settings::Settings;
use crate::trust;

/// Which part of a house the settings are for: the one that runs on their data folder, or what the places of other parts
/// make of it.
pub fn implied(settings: Settings) -> Role {
    let (chat, pool) = (settings.warp_chat.clone(), settings.token_pool.clone());
    let config = Config::resolve(Role::Codec, settings).ok();
    let folder = config.and_then(|config| config.store.notes_folder());
    let notes = folder.and_then(|folder| note_file::running(&folder).ok());
    decide(&notes.unwrap_or_default(), chat.as_deref(), pool.as_deref())
}

fn decide(notes: &[Note], chat: Option<&str>, pool: Option<&str>) -> Role {
    let elsewhere = |place: Option<&str>| place.is_some_and(|place| place != "local");
    match notes {
        [note] => note.known_role().unwrap_or(Role::All),
        _ if elsewhere(chat) => Role::Gateway,
        _ if elsewhere(pool) => Role::WarpChat,
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
    let url = match place {
        Place::Local => return None,
        Place::Unix(path) if std::path::Path::new(path).exists() => {
            return Some(Line::ok(name, format!("{place} is there")));
        }
        Place::Unix(_) => {
            let cure = format!("start that service, or correct {setting}");
            return Some(Line::fail(name, format!("{place} is not there"), cure));
        }
        Place::Tcp(url) => url,
    };
    Some(match ready(&house.config, url).await {
        Ok((200, _)) => Line::ok(name, format!("{url} answers and can serve")),
        Ok((_, trouble)) => {
            let cure =
                "look there: `warp2api doctor` with its settings, docs/troubleshooting.md knows the reasons";
            Line::warn(name, format!("{url} answers, but cannot serve: {trouble}"), cure)
        }
        Err(words) => {
            let advice = trust::advice(&words, url, &house.config).map(str::to_owned);
            let cure = advice.unwrap_or_else(|| format!("start that service, or correct {setting}"));
            Line::fail(name, format!("{url} cannot be reached: {words}"), cure)
        }
    })
}

/// Asks as this process would: what a tool trusts besides is of no use to it.
async fn ready(config: &Config, url: &str) -> Result<(u16, String), String> {
    let tls = match &config.security.link {
        Some(files) => ClientTls::client(files.clone()),
        None => trust::none(),
    };
    let tls = tls.map_err(|error| chain(&error))?;
    let client =
        remote(&RemoteHttp { tls: Some(tls), ..RemoteHttp::default() }).map_err(|error| error.to_string())?;
    let url = format!("{}/readyz", url.trim_end_matches('/'));
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
            (vec![note(Role::Gateway), note(Role::WarpChat)], None, None, Role::All),
        ] {
            assert_eq!(decide(&notes, chat, pool), role, "{notes:?} {chat:?} {pool:?}");
        }
    }
}
