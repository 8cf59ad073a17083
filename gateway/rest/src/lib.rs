//! The contract over plain HTTP, for whoever has no gRPC client at hand.
//!
//! Nothing here is written for a method: routes are read from the `google.api.http` annotations of the descriptors
//! ([`routes`]), requests and answers are proto3 JSON by the descriptors of their messages, and calls go through the
//! same endpoints as gRPC's own, so that the services decide who may do what. [`Rest`] answers requests.

mod call;
pub mod failure;
mod json;
pub mod openapi;
mod pages;
mod parameter;
mod query;
mod request;
mod route;
mod service;
mod stream;
mod table;
mod template;
#[cfg(test)]
mod testing;
mod timeout;

pub use pages::pages;
pub use route::{Body, Route, RouteError, routes};
pub use service::{Rest, RestConfig};
pub use table::{Lookup, Table};
pub use template::{Captured, NotText, Template, TemplateError};
