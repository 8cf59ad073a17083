//! One file for each family of routes.

pub(crate) mod chat_completions;
pub(crate) mod health;
pub(crate) mod models;
