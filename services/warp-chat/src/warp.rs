//! The upstream's language, pure: requests out of conversations, chat events out of upstream events.

pub mod events;
pub(crate) mod finish;
pub(crate) mod flatten;
pub(crate) mod http_error;
pub(crate) mod message;
pub mod payload;
pub mod request;
pub(crate) mod usage;
