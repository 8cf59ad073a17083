//! What a failure is called, and how it travels: [`ErrorReason`] to gRPC status and back.
//!
//! A status carries exactly one `ErrorInfo` (AIP-193), a `BadRequest` where fields are at fault, and a `RetryInfo`
//! where a wait is known. This is the only place that knows gRPC codes. It does not know HTTP statuses or any
//! dialect's words; the gateway does.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use warp2api_proto::ERROR_DOMAIN;
use warp2api_proto::error::v1::ErrorReason;

/// A failure on its way to a caller. Its message and metadata are for the caller: no secret, no prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub reason: ErrorReason,
    /// The same in words, for people.
    pub message: String,
    /// The fields at fault, if any.
    pub violations: Vec<Violation>,
    /// How long to wait before trying again, where that is known.
    pub retry_after: Option<Duration>,
    /// What the message interpolates, for programs.
    pub metadata: Vec<(String, String)>,
}

/// A field at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, for example `messages[2].parts[0]`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Failure {
    /// A failure without details.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            violations: Vec::new(),
            retry_after: None,
            metadata: Vec::new(),
        }
    }

    /// A field is missing or wrong.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let (field, description) = (field.into(), description.into());
        Self::new(ErrorReason::InvalidField, format!("{field}: {description}")).with_field(field, description)
    }

    /// A fault of our own. `message` is for the caller and says nothing about the inside.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::Bug, message)
    }

    /// Names a field at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push(Violation { field: field.into(), description: description.into() });
        self
    }

    /// Says how long to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.retry_after = wait.into();
        self
    }

    /// Adds a value for programs.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// The gRPC code of the reason.
    pub fn code(&self) -> Code {
        code(self.reason)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let mut details = ErrorDetails::new();
        let metadata: HashMap<String, String> = failure.metadata.into_iter().collect();
        details.set_error_info(reason_name(failure.reason), ERROR_DOMAIN, metadata);
        for violation in failure.violations {
            details.add_bad_request_violation(violation.field, violation.description);
        }
        if let Some(wait) = failure.retry_after {
            details.set_retry_info(Some(wait));
        }
        Self::with_error_details(code(failure.reason), failure.message, details)
    }
}

impl From<&Status> for Failure {
    /// Reads a status of ours, or makes the best of one that has no details, as transports send them.
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == ERROR_DOMAIN);
        let named = info.and_then(|info| reason_from_name(&info.reason));
        let reason = named.unwrap_or_else(|| reason_of_plain_status(status));
        let mut metadata: Vec<_> =
            info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default();
        metadata.sort();
        // A transport's words may speak of addresses and sockets; its failures get words of ours.
        let message = match (named, reason) {
            (None, ErrorReason::ServiceUnreachable) => {
                "a service this one needs cannot be reached".to_owned()
            }
            (None, ErrorReason::Bug) => "internal error".to_owned(),
            _ => status.message().to_owned(),
        };
        Self {
            reason,
            message,
            violations: details
                .bad_request()
                .map(|bad| {
                    let fields = bad.field_violations.iter();
                    fields
                        .map(|v| Violation { field: v.field.clone(), description: v.description.clone() })
                        .collect()
                })
                .unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            metadata,
        }
    }
}

/// The reason as it stands in `ErrorInfo`: the enum value without its prefix.
pub fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// The gRPC code of a reason.
pub fn code(reason: ErrorReason) -> Code {
    use ErrorReason as R;
    match reason {
        R::InvalidField
        | R::UnsupportedField
        | R::UnsupportedMediaType
        | R::MalformedMessage
        | R::ContextTooLong => Code::InvalidArgument,
        R::MessageTypeNotFound
        | R::ModelNotFound
        | R::ResponseNotFound
        | R::ExchangeNotFound
        | R::CredentialNotFound
        | R::LeaseNotFound => Code::NotFound,
        R::RouteNotFound | R::MethodNotAllowed | R::MethodNotFound => Code::Unimplemented,
        R::ApiKeyInvalid | R::AdminKeyInvalid | R::ServiceTokenInvalid => Code::Unauthenticated,
        R::AdminNotAllowed | R::ApiKeyNotAllowed | R::ServiceNotAllowed => Code::PermissionDenied,
        R::RequestTooLarge | R::UpstreamQuotaExhausted | R::UpstreamRateLimited | R::ApiKeyRateLimited => {
            Code::ResourceExhausted
        }
        R::NoCredentialAvailable
        | R::CredentialRefreshFailed
        | R::StoreUnavailable
        | R::UpstreamUnavailable
        | R::UpstreamInterrupted
        | R::Overloaded
        | R::ShuttingDown
        | R::ServiceUnreachable => Code::Unavailable,
        R::PreviousResponseNotFound
        | R::UpstreamRejected
        | R::ProviderKeyRejected
        | R::CredentialUnsuitable
        | R::StoreKeyMissing => Code::FailedPrecondition,
        R::ConversationBusy | R::CredentialChanged => Code::Aborted,
        R::CredentialExists => Code::AlreadyExists,
        R::UpstreamTimeout | R::DeadlinePassed => Code::DeadlineExceeded,
        R::Cancelled => Code::Cancelled,
        R::UpstreamFailed | R::UpstreamMalformed | R::Bug | R::Unspecified => Code::Internal,
    }
}

/// Every reason a caller can meet, in the order of the contract.
pub fn all_reasons() -> impl Iterator<Item = ErrorReason> {
    // Numbers have gaps; the contract's values end well below this.
    (1..1000).filter_map(|number| ErrorReason::try_from(number).ok())
}

/// The reason of this name, as [`reason_name`] gives it.
pub(crate) fn reason_from_name(name: &str) -> Option<ErrorReason> {
    ErrorReason::from_str_name(&format!("ERROR_REASON_{name}"))
}

/// Statuses that no service of ours made: tonic's own, a proxy's, a connection that broke.
fn reason_of_plain_status(status: &Status) -> ErrorReason {
    match status.code() {
        Code::InvalidArgument => ErrorReason::InvalidField,
        Code::OutOfRange | Code::ResourceExhausted => ErrorReason::RequestTooLarge,
        Code::Unauthenticated | Code::PermissionDenied => ErrorReason::ApiKeyInvalid,
        Code::DeadlineExceeded => ErrorReason::DeadlinePassed,
        // A caller of ours that leaves does not read this; a connection that goes away under a call is told so.
        Code::Cancelled if std::error::Error::source(status).is_some() => ErrorReason::ServiceUnreachable,
        Code::Cancelled => ErrorReason::Cancelled,
        Code::Unimplemented => ErrorReason::MethodNotFound,
        Code::Unavailable => ErrorReason::ServiceUnreachable,
        // tonic reports a connection that breaks in the middle of a stream as UNKNOWN or INTERNAL with a source.
        Code::Unknown | Code::Internal if std::error::Error::source(status).is_some() => {
            ErrorReason::ServiceUnreachable
        }
        _ => ErrorReason::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_way_there_and_back() {
        for reason in all_reasons() {
            let failure = Failure::new(reason, "words")
                .with_field("messages[0]", "is odd")
                .with_retry_after(Duration::from_millis(1500))
                .with_metadata("model", "m");

            let status = Status::from(failure.clone());

            assert_eq!(status.code(), code(reason));
            assert_eq!(Failure::from(&status), failure);
        }
    }

    #[test]
    fn a_status_of_a_transport_gets_words_of_ours() {
        let failure = Failure::from(&Status::unavailable("tcp connect error: 10.0.0.5:50051"));

        assert_eq!(failure.reason, ErrorReason::ServiceUnreachable);
        assert!(!failure.message.contains("10.0.0.5"));
    }

    #[test]
    fn a_connection_that_goes_away_is_a_service_that_cannot_be_reached() {
        for code in [Code::Cancelled, Code::Unknown, Code::Internal] {
            let mut status = Status::new(code, "operation was canceled");
            status.set_source(std::sync::Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));

            assert_eq!(Failure::from(&status).reason, ErrorReason::ServiceUnreachable, "{code:?}");
        }
    }

    #[test]
    fn a_status_of_another_domain_is_read_by_its_code() {
        let mut details = ErrorDetails::new();
        details.set_error_info("BUG", "elsewhere.example", HashMap::new());
        let status = Status::with_error_details(Code::DeadlineExceeded, "late", details);

        assert_eq!(Failure::from(&status).reason, ErrorReason::DeadlinePassed);
    }
}
