//! Why an image was not fetched, in words for the caller. They tell nothing of the network around us: whatever is not
//! public sounds the same, and so does whatever goes wrong with a server.

use warp2api_dialects::error::Problem;
use warp2api_dialects::{MAX_IMAGE_BYTES, RemoteImage};
use warp2api_proto::error::v1::ErrorReason;

use super::{MAX_REDIRECTS, target};

/// Why an image was not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// It is no URL, it is too long, or of another scheme.
    #[error("expected an http or https URL of at most {} bytes", target::MAX_URL_BYTES)]
    Url,
    /// The URL holds a user name or a password.
    #[error("a URL with a user name or a password is not fetched")]
    Userinfo,
    /// The host is, or its name leads to, an address that is not public, or the name leads nowhere.
    #[error("the URL does not lead to a public address, and images are fetched from those only")]
    Address,
    /// Servers pass the request on from one to the next.
    #[error("the URL is redirected more than {MAX_REDIRECTS} times")]
    Redirects,
    /// The server does not answer, or not with an image.
    #[error("the image could not be fetched")]
    Server,
    /// The body is too large.
    #[error("the image is larger than {MAX_IMAGE_BYTES} bytes")]
    Large,
    /// All bodies together are too large.
    #[error("the fetched images are larger than {0} bytes together")]
    LargeTogether(usize),
    /// The time of the request's images is up.
    #[error("the image did not arrive in time")]
    Time,
}

impl FetchError {
    /// The failure of a request that names this image.
    pub(crate) fn problem(self, image: &RemoteImage) -> Problem {
        let param = &image.param;
        Problem::new(ErrorReason::InvalidField, format!("{param}: {self}")).with_param(param)
    }
}
