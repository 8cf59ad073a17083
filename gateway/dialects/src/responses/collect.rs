//! A whole response: the fold of the same events that a stream tells one by one.

use warp2api_proto::warp_chat::v1::StreamChatResponse;

use super::answer::Answer;
use crate::dialect::Fold;
use crate::error::Problem;
use crate::held::cut_off;

/// One whole response in the making.
#[derive(Debug)]
pub struct Collector(Answer);

impl Collector {
    pub(super) fn new(answer: Answer) -> Self {
        Self(answer)
    }

    /// The response and its body.
    ///
    /// # Errors
    /// What went wrong. A turn that ended without an end went wrong.
    pub fn finish_answer(self, outcome: Result<(), Problem>) -> Result<(Answer, Vec<u8>), Problem> {
        outcome?;
        if !self.0.is_whole() {
            return Err(cut_off());
        }
        let body = self.0.json();
        Ok((self.0, body))
    }
}

impl Fold for Collector {
    fn step(&mut self, event: &StreamChatResponse) -> Result<(), Problem> {
        self.0.begin(event);
        self.0.step(event, &mut ())
    }

    fn finish(self, outcome: Result<(), Problem>) -> Result<Vec<u8>, Problem> {
        self.finish_answer(outcome).map(|(_, body)| body)
    }
}
