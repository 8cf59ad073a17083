//! The routes as a table: what is asked for where, and in whose words errors are said. One file for each family.

pub(crate) mod answer;
pub(crate) mod health;
pub(crate) mod models;

use axum::routing::{MethodRouter, get, post};
use warp2api_dialects::chat::ChatCompletions;
use warp2api_dialects::{Dialect, ErrorStyle};

use crate::router::Edge;

/// A route of the API, for those who have a key. Each is there with and without `/v1`, with and without a slash at the
/// end.
pub(crate) struct Row {
    /// Below the root of the API.
    pub(crate) path: &'static str,
    /// What it takes.
    pub(crate) methods: fn() -> MethodRouter<Edge>,
    /// How its errors are said.
    pub(crate) errors: ErrorStyle,
}

/// Every route of the API.
pub(crate) const TABLE: &[Row] = &[
    dialect::<ChatCompletions>("/chat/completions"),
    Row { path: "/models", methods: || get(models::list), errors: ErrorStyle::OpenAi },
    Row { path: "/models/{*id}", methods: || get(models::get), errors: ErrorStyle::OpenAi },
];

/// The route of a dialect that needs no more than its mapping.
const fn dialect<D: Dialect>(path: &'static str) -> Row {
    Row { path, methods: || post(answer::create::<D>), errors: D::ERRORS }
}

/// In whose words a request of the path is answered when something is wrong.
pub(crate) fn errors_at(path: &str) -> ErrorStyle {
    let path = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let belongs = |row: &&Row| {
        let rest = path.strip_prefix(row.path.split("/{").next().unwrap_or(row.path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    TABLE.iter().find(belongs).map_or(ErrorStyle::OpenAi, |row| row.errors)
}
