//! Why a request is not taken on, with the path of the field at fault. Knows nothing of HTTP.

use warp2api_proto::error::v1::ErrorReason;

use crate::json::ReadError;

/// A request that is not taken on.
///
/// Its message is for the caller. It names fields and never repeats what they hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", param.as_deref().unwrap_or("the request body"))]
pub struct Rejection {
    /// `InvalidField` or `UnsupportedField`.
    pub reason: ErrorReason,
    /// The path of the field, for example `messages[2].content[0].image_url.url`. None where the body as a whole is
    /// at fault.
    pub param: Option<String>,
    /// What is wrong with it, without the path.
    pub description: String,
}

impl Rejection {
    /// A field is missing, of the wrong type or out of range.
    pub(crate) fn invalid(param: impl Into<String>, description: impl Into<String>) -> Self {
        let (param, description) = (Some(param.into()), description.into());
        Self { reason: ErrorReason::InvalidField, param, description }
    }

    /// A field asks for what cannot be honoured, and silence would give a wrong answer.
    pub(crate) fn unsupported(param: impl Into<String>, description: impl Into<String>) -> Self {
        let (param, description) = (Some(param.into()), description.into());
        Self { reason: ErrorReason::UnsupportedField, param, description }
    }

    /// What was wrong while reading the value at `path`, which is empty for the body.
    pub(crate) fn read(path: &str, error: ReadError) -> Self {
        let (inner, description) = match error {
            ReadError::Syntax(what) => (String::new(), format!("not valid JSON: {what}")),
            ReadError::Shape { path, message } => (path, message),
        };
        let joint = if path.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        let param = format!("{path}{joint}{inner}");
        Self { reason: ErrorReason::InvalidField, param: (!param.is_empty()).then_some(param), description }
    }
}
