//! An estimate of how many tokens a request has, for `POST /v1/messages/count_tokens`. The upstream has no way to ask,
//! and adds a prompt of its own that nobody knows: this is a number to plan with, not one that will be charged.

use warp2api_proto::warp_chat::v1::{Part, StreamChatRequest, part};

/// What an image of the size that models look at closely costs.
const IMAGE_TOKENS: u64 = 1600;
/// What marks the beginning and the end of a message.
const MESSAGE_TOKENS: u64 = 4;

/// The body of the answer: the estimated tokens of everything in the request. Four ASCII characters, or one other
/// character, are a token, as where answers are limited; an image is 1600, and a message 4 besides.
pub fn count_tokens(request: &StreamChatRequest) -> Vec<u8> {
    format!(r#"{{"input_tokens":{}}}"#, estimate(request)).into_bytes()
}

/// The same as a number, for requests of any dialect.
pub fn estimate(request: &StreamChatRequest) -> u64 {
    let mut count = Count::default();
    for message in &request.messages {
        count.tokens += MESSAGE_TOKENS;
        message.parts.iter().for_each(|part| count.part(part));
    }
    for tool in &request.tools {
        count.tokens += MESSAGE_TOKENS;
        for text in [&tool.name, &tool.description, &tool.parameters_json] {
            count.text(text);
        }
    }
    count.total()
}

#[derive(Debug, Default)]
struct Count {
    tokens: u64,
    /// Text, in quarters of a token.
    quarters: u64,
}

impl Count {
    fn part(&mut self, part: &Part) {
        match &part.content {
            Some(part::Content::Text(text)) => self.text(text),
            Some(part::Content::Image(_)) => self.tokens += IMAGE_TOKENS,
            Some(part::Content::ToolCall(call)) => {
                self.text(&call.name);
                self.text(&call.arguments_json);
            }
            Some(part::Content::ToolResult(result)) => result.parts.iter().for_each(|part| self.part(part)),
            // It is not sent to the upstream.
            Some(part::Content::Reasoning(_)) | None => {}
        }
    }

    fn text(&mut self, text: &str) {
        let quarters = text.chars().map(|character| if character.is_ascii() { 1 } else { 4 });
        self.quarters += quarters.sum::<u64>();
    }

    fn total(&self) -> u64 {
        self.tokens + self.quarters.div_ceil(4)
    }
}

#[cfg(test)]
mod tests {
    use crate::dialect::{Dialect as _, Request as _};
    use crate::images::FetchedImages;
    use crate::messages::Messages;

    use super::*;

    fn count(body: &str) -> String {
        let accepted = Messages::parse(body.as_bytes()).unwrap().accept(&FetchedImages::default()).unwrap();
        String::from_utf8(count_tokens(&accepted.request)).unwrap()
    }

    #[test]
    fn everything_that_is_sent_is_counted() {
        let hi = r#"{"messages":[{"role":"user","content":"12345678"}]}"#;
        assert_eq!(count(hi), r#"{"input_tokens":6}"#);
        let all = r#"{"system":"1234","tools":[{"name":"1234","description":"日本","input_schema":{}}],"messages":[
            {"role":"user","content":[{"type":"image","source":{"type":"base64","data":"R0lGODlhAQABAA=="}}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"not sent"},
                {"type":"tool_use","id":"a","name":"1234","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"12345678901"}]}]}"#;
        // Five frames, an image, 4 characters of ASCII and 4 more, two others, `{}`, 4, `{}`, 11.
        assert_eq!(
            count(all),
            format!(r#"{{"input_tokens":{}}}"#, 5 * 4 + 1600 + 2 + (4 + 4 + 2 + 4 + 2 + 11usize).div_ceil(4))
        );
    }
}
