//! The credential pool: which upstream credential serves the next turn, and what happens to one that failed.
//!
//! The pool lives in memory. What decides is pure and knows neither clock nor lock ([`state`], [`select`],
//! [`breaker`], [`settings`]); [`Pool`] locks, asks them and stores; [`exchange`] and [`refresh`] do the only IO there is, the
//! exchange of refresh tokens. The pool never talks to the chat endpoint: it learns how a credential fared from
//! the report that ends a lease.
//!
//! - [`config`]: every number the rules depend on.
//! - [`settings`]: the operator's variables, parsed into [`NewCredential`]s.
//! - [`Pool`]: the handle. [`TokenPoolService`]: the same as a gRPC service.
//! - [`Operator`]: what those who run the pool do to it, each change with its line in the [`audit`] trail. [`import`]:
//!   credentials from elsewhere.
//! - [`Accounts`]: what the accounts may still use, and the guest sign-in, by [`account`]. [`watch`]: the credentials as
//!   they change.
//! - [`refresh::run`]: the background task that renews access tokens ahead of their expiry.

pub mod account;
pub mod admin;
mod affinity;
pub mod audit;
pub mod breaker;
pub mod clock;
pub mod config;
mod convert;
pub mod credential;
mod endpoints;
mod entry;
pub mod error;
pub mod exchange;
mod exchanging;
mod facts;
mod grant;
mod guest;
pub mod import;
mod jwt;
pub mod lease;
pub mod listing;
mod membership;
mod open;
mod others;
pub mod pool;
pub mod quota;
pub mod refresh;
mod renewing;
pub mod select;
pub mod service;
pub mod settings;
pub mod state;
pub mod store;
mod trail;
pub mod view;
mod waiting;
pub mod watch;

pub use account::AccountApi;
pub use admin::{Addition, Edit, Operator};
pub use config::PoolConfig;
pub use credential::{CredentialId, Kind, NewCredential, Secret, Source, Tier};
pub use endpoints::EndpointStatus;
pub use error::Error;
pub use exchange::TokenExchange;
pub use facts::Quota;
pub use lease::{Lease, LeaseId};
pub use pool::{Acquire, Pool, Report};
pub use quota::{Accounts, Finding};
pub use select::{Endpoint, OnQuota};
pub use service::TokenPoolService;
pub use store::{Database, KeySource, Store, StoreKey};

pub use state::Outcome;
