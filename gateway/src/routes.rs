//! The routes as a table: what is asked for where, and in whose words errors are said. One file for each family.

pub(crate) mod answer;
pub(crate) mod count_tokens;
pub(crate) mod health;
pub(crate) mod id;
pub(crate) mod models;
pub(crate) mod responses;

use axum::routing::{MethodRouter, get, post};
use http::HeaderMap;
use warp2api_dialects::chat::ChatCompletions;
use warp2api_dialects::completions::Completions;
use warp2api_dialects::messages::Messages;
use warp2api_dialects::responses::Responses;
use warp2api_dialects::{Dialect, ErrorStyle};

use crate::access::{Need, Scope};
use crate::router::Edge;

/// A route of the API, for those who have a key. Each is there with and without `/v1`, with and without a slash at the
/// end.
pub(crate) struct Row {
    /// Below the root of the API.
    pub(crate) path: &'static str,
    /// What it takes.
    pub(crate) methods: fn() -> MethodRouter<Edge>,
    /// What it asks of its callers.
    pub(crate) need: Need,
    /// How its errors are said, where that does not depend on who asks.
    pub(crate) errors: Option<ErrorStyle>,
}

/// Every route of the API.
pub(crate) const TABLE: &[Row] = &[
    dialect::<ChatCompletions>("/chat/completions"),
    dialect::<Completions>("/completions"),
    responses("/responses", Need::Turn, || post(responses::create)),
    responses("/responses/{id}", Need::Chat, || get(responses::get).delete(responses::delete)),
    responses("/responses/{id}/cancel", Need::Chat, || post(responses::cancel)),
    responses("/responses/{id}/input_items", Need::Chat, || get(responses::input_items)),
    dialect::<Messages>("/messages"),
    Row {
        path: "/messages/count_tokens",
        methods: || post(count_tokens::count),
        need: Need::Work,
        errors: Some(Messages::ERRORS),
    },
    Row { path: "/models", methods: || get(models::list), need: Need::Models, errors: None },
    Row { path: "/models/{*id}", methods: || get(models::get), need: Need::Models, errors: None },
];

/// The paths of the API below `/v1`, each with what a key must be for.
pub fn paths() -> impl Iterator<Item = (&'static str, Scope)> {
    TABLE.iter().map(|row| {
        let scope = match row.need {
            Need::Turn | Need::Work | Need::Chat => Scope::Chat,
            Need::Models => Scope::Models,
        };
        (row.path, scope)
    })
}

/// The route of a dialect that needs no more than its mapping.
const fn dialect<D: Dialect>(path: &'static str) -> Row {
    Row { path, methods: || post(answer::create::<D>), need: Need::Turn, errors: Some(D::ERRORS) }
}

/// A route of responses, which are kept.
const fn responses(path: &'static str, need: Need, methods: fn() -> MethodRouter<Edge>) -> Row {
    Row { path, methods, need, errors: Some(Responses::ERRORS) }
}

/// In whose words a request of the path is answered when something is wrong.
pub(crate) fn errors_at(path: &str, headers: &HeaderMap) -> ErrorStyle {
    let path = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let belongs = |row: &&Row| {
        let rest = path.strip_prefix(row.path.split("/{").next().unwrap_or(row.path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    TABLE.iter().find(belongs).and_then(|row| row.errors).unwrap_or_else(|| errors_for(headers))
}

/// In whose words who asks wants to be answered. Anthropic's clients always send the version of its API.
pub(crate) fn errors_for(headers: &HeaderMap) -> ErrorStyle {
    if headers.contains_key("anthropic-version") { ErrorStyle::Anthropic } else { ErrorStyle::OpenAi }
}
