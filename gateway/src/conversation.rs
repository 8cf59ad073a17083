//! The header by which a caller names a conversation to go on with. No dialect has a word for it.

use http::{HeaderMap, HeaderName, HeaderValue};
use warp2api_dialects::error::Problem;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{Resume, StreamChatResponse};

static NAME_HEADER: HeaderName = HeaderName::from_static("x-warp2api-conversation");
static RESUMED_HEADER: HeaderName = HeaderName::from_static("x-warp2api-resumed");

const MAX_NAME_BYTES: usize = 128;

/// The conversation a request belongs to, if it names one.
#[derive(Debug, Clone)]
pub(crate) struct Conversation(Option<HeaderValue>);

impl Conversation {
    /// Reads the header.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut names = headers.get_all(&NAME_HEADER).iter();
        let name = names.next().cloned();
        let fits = |name: &HeaderValue| {
            (1..=MAX_NAME_BYTES).contains(&name.len()) && name.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        if name.as_ref().is_none_or(fits) && names.next().is_none() {
            return Ok(Self(name));
        }
        let words =
            format!("{NAME_HEADER}: must be one name of 1 to {MAX_NAME_BYTES} visible ASCII characters");
        Err(Problem::new(ErrorReason::InvalidField, words).with_param(NAME_HEADER.as_str()))
    }

    /// What WarpChat is told: each key has conversations of its own.
    pub(crate) fn resume(&self, owner: &str) -> Option<Resume> {
        let key = self.0.as_ref()?.to_str().ok()?.to_owned();
        Some(Resume { key, scope: owner.to_owned() })
    }

    /// What the caller is told once the first event is there; before it, only that the name was read.
    pub(crate) fn headers(&self, first: Option<&StreamChatResponse>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(name) = &self.0 else { return headers };
        headers.insert(&NAME_HEADER, name.clone());
        if let Some(Event::Started(started)) = first.and_then(|first| first.event.as_ref()) {
            let resumed = if started.resumed { "true" } else { "false" };
            headers.insert(&RESUMED_HEADER, HeaderValue::from_static(resumed));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use warp2api_dialects::ErrorStyle;

    use super::*;

    fn read(names: &[&str]) -> Result<Conversation, Problem> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(&NAME_HEADER, HeaderValue::from_bytes(name.as_bytes()).unwrap());
        }
        Conversation::read(&headers)
    }

    #[test]
    fn a_name_is_one_of_visible_ascii() {
        let longest = "x".repeat(MAX_NAME_BYTES);
        let too_long = "x".repeat(MAX_NAME_BYTES + 1);
        for good in ["a", "~!\"[]{}", "chat/42:ann@example.org", &longest] {
            let headers = read(&[good]).unwrap().headers(None);
            assert_eq!(headers.get(&NAME_HEADER).unwrap(), good);
        }
        assert!(read(&[]).unwrap().headers(None).is_empty());
        for bad in [&[""][..], &["a b"], &["a\tb"], &["ü"], &[&too_long], &["a", "a"]] {
            let problem = read(bad).unwrap_err();
            assert_eq!(
                (problem.status(ErrorStyle::OpenAi), problem.param.as_deref()),
                (400, Some("x-warp2api-conversation"))
            );
        }
    }
}
