//! What is learned of a request while it is answered, for the one who tells of it at the end.

use std::sync::{Arc, Mutex, PoisonError};

use http::Extensions;
use warp2api_proto::error::v1::ErrorReason;

/// The longest text that is noted, in bytes: callers name models.
const MOST_BYTES: usize = 128;

/// Notes on one request, an extension of it. What makes the answer writes, what watches its end reads.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

/// What was noted. Nothing of it is secret, and nothing is content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// What the client speaks.
    pub dialect: Option<&'static str>,
    /// The template of the route, where the router does not know it.
    pub route: Option<String>,
    /// The model, aliases resolved.
    pub model: Option<String>,
    /// Where the chat ran.
    pub upstream: Option<String>,
    /// The id of the credential that it ran on.
    pub credential: Option<String>,
    /// Why it failed.
    pub reason: Option<ErrorReason>,
}

impl Notes {
    /// The notes of a request; of nobody's if it has none.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Writes something down.
    pub fn note(&self, write: impl FnOnce(&mut Noted)) {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was written down.
    pub fn read(&self) -> Noted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Noted {
    /// Text that came from elsewhere, cut to what is noted.
    pub fn text(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text[..text.floor_char_boundary(MOST_BYTES)].to_owned())
    }
}
