//! What every dialect is made of. Adding one is a folder with these four and a row in the gateway's table of routes:
//! a [`Request`] is read and taken on, its [`Plan`] knows what the answer needs, and a [`Writer`] or a [`Fold`] makes
//! the answer out of the events of the turn.
//!
//! All of it is bound statically: a stream costs nothing for being one of several dialects.

use bytes::BytesMut;
use warp2api_proto::warp_chat::v1::{StreamChatRequest, StreamChatResponse};

use crate::error::{ErrorStyle, Problem};
use crate::fields::FieldNames;
use crate::images::{FetchedImages, RemoteImage};
use crate::rejection::Rejection;

/// A way to ask for a turn over HTTP.
pub trait Dialect: 'static {
    /// What it is called in logs, traces and metrics.
    const NAME: &'static str;
    /// How errors are said.
    const ERRORS: ErrorStyle;
    /// A request that was read, and not yet looked at. Borrows from the body.
    type Request<'a>: Request<Plan = Self::Plan>;
    /// What is to become of the answer.
    type Plan: Plan;

    /// Reads the body of a request.
    ///
    /// # Errors
    /// When the body is not JSON, with line and column, or a value is of the wrong type, with its path.
    fn parse(body: &[u8]) -> Result<Self::Request<'_>, Rejection>;
}

/// A request that was read.
pub trait Request: Send + Sync {
    /// What is to become of its answer.
    type Plan: Plan;

    /// The images that are named by a remote URL, in order. A caller that fetches them hands them to
    /// [`accept`](Self::accept), which rejects the request otherwise.
    fn remote_images(&self) -> Vec<RemoteImage>;

    /// Takes the request on.
    ///
    /// # Errors
    /// When a field stands in the way.
    fn accept(&self, fetched: &FetchedImages) -> Result<Accepted<Self::Plan>, Rejection>;
}

/// A request that is taken on.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted<P> {
    /// The request in the contract's terms.
    pub request: StreamChatRequest,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// The names of what was asked for and is not done, each once, fit for a header.
    pub ignored: Vec<String>,
    /// What the caller calls the fields of the contract.
    pub fields: FieldNames,
    /// What the answer needs to know of the request.
    pub plan: P,
}

impl<P> Accepted<P> {
    /// The value of the `x-warp2api-ignored` header, if there is anything to say.
    pub fn ignored_header(&self) -> Option<String> {
        (!self.ignored.is_empty()).then(|| self.ignored.join(", "))
    }
}

/// What an answer needs to know of its request.
pub trait Plan: Send + 'static {
    /// Writes a streamed answer.
    type Writer: Writer;
    /// Collects a whole answer.
    type Fold: Fold;

    /// The writer of a streamed answer.
    fn writer(self, stamp: Stamp) -> Self::Writer;

    /// The collector of a whole answer.
    fn fold(self, stamp: Stamp) -> Self::Fold;
}

/// What makes an answer this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Unique, of letters and digits. The dialect makes the ids of the answer out of it.
    pub unique: String,
    /// When the request came, in seconds since 1970.
    pub created: i64,
}

/// Writes the events of a turn as the frames of a streamed answer, ready to send.
///
/// [`step`](Self::step) for every event, then [`finish`](Self::finish) once. Each appends whole frames, or nothing.
pub trait Writer: Send + Unpin + 'static {
    /// Appends what the caller is to see of the event. Events after the last one, and those of a later contract, are
    /// passed over.
    ///
    /// # Errors
    /// When the answer has become larger than is held. It is to be finished with that problem then.
    fn step(&mut self, event: &StreamChatResponse, out: &mut BytesMut) -> Result<(), Problem>;

    /// Ends the stream. After a failure, or if the answer has no end, an error stands where the end would, so that a
    /// truncated answer cannot look complete.
    fn finish(&mut self, outcome: Result<(), &Problem>, out: &mut BytesMut);

    /// Appends a sign of life, if the dialect has one of that form.
    fn keep_alive(&mut self, form: KeepAliveForm, out: &mut BytesMut);
}

/// Collects the events of a turn into a whole answer.
///
/// [`step`](Self::step) for every event, then [`finish`](Self::finish). The same events give the same answer as a
/// stream does.
pub trait Fold: Send + 'static {
    /// Takes an event in.
    ///
    /// # Errors
    /// When the answer is larger than is held; the turn can be dropped then.
    fn step(&mut self, event: &StreamChatResponse) -> Result<(), Problem>;

    /// The body of the answer.
    ///
    /// # Errors
    /// What went wrong. A turn that ended without an end went wrong.
    fn finish(self, outcome: Result<(), Problem>) -> Result<Vec<u8>, Problem>;
}

/// A sign of life on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAliveForm {
    /// A comment, which readers of events pass over.
    Comment,
    /// A frame that adds nothing, for clients that stumble over comments.
    Chunk,
}

/// The comment that is a sign of life.
pub(crate) const COMMENT: &[u8] = b": keep-alive\n\n";
