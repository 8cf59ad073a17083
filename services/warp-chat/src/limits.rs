//! Limits of an answer that the upstream does not know and this service enforces: stop sequences and a number of
//! tokens.
//!
//! Pure: chat events in, chat events out, the same whatever the pieces the text comes in. A stop sequence may lie
//! across pieces, so text that may be the beginning of one is held until the next piece tells.

use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished, TextDelta};
use warp2api_proto::warp_chat::v1::{FinishReason, Limits};
use warp2api_rpc::Failure;

const MAX_STOP_SEQUENCES: usize = 16;

/// Where an answer ends at the latest.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    stop_sequences: Vec<String>,
    /// Text that may be the beginning of a stop sequence.
    held: String,
    /// What may still be sent, in quarters of a token. `None` means any amount.
    quarters_left: Option<u64>,
    ended: bool,
}

impl Limiter {
    /// Checks the limits of a request.
    ///
    /// # Errors
    /// When one of them makes no sense; the failure names the field.
    pub(crate) fn new(limits: Option<Limits>) -> Result<Self, Failure> {
        let Limits { max_output_tokens, stop_sequences } = limits.unwrap_or_default();
        let max_output_tokens = u64::try_from(max_output_tokens)
            .map_err(|_| Failure::invalid("limits.max_output_tokens", "must not be negative"))?;
        if stop_sequences.len() > MAX_STOP_SEQUENCES {
            let most = format!("must hold at most {MAX_STOP_SEQUENCES} texts");
            return Err(Failure::invalid("limits.stop_sequences", most));
        }
        if let Some(index) = stop_sequences.iter().position(String::is_empty) {
            return Err(Failure::invalid(format!("limits.stop_sequences[{index}]"), "must not be empty"));
        }
        let quarters_left = (max_output_tokens > 0).then(|| max_output_tokens.saturating_mul(4));
        Ok(Self { stop_sequences, quarters_left, ..Self::default() })
    }

    /// Whether a limit has ended the answer. Nothing more is to be passed then.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Passes one event on to `tell`, or what the limits leave of it.
    pub(crate) fn pass(&mut self, event: Event, tell: &mut impl FnMut(Event)) {
        if self.ended {
            return;
        }
        match event {
            Event::TextDelta(delta) if self.stop_sequences.is_empty() => self.send(delta.text, tell),
            Event::TextDelta(delta) => self.look_for_stop(&delta.text, tell),
            Event::ToolCall(_) | Event::UsageReported(_) | Event::Finished(_) => {
                // No more text will come to complete a stop sequence.
                let held = std::mem::take(&mut self.held);
                self.send(held, tell);
                if !self.ended {
                    tell(event);
                }
            }
            other => tell(other),
        }
    }

    fn look_for_stop(&mut self, piece: &str, tell: &mut impl FnMut(Event)) {
        self.held.push_str(piece);
        // The one that is complete first counts: a later one may not have come yet, depending on the pieces.
        let found = self
            .stop_sequences
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()).map(|at| (at, stop)))
            .min_by_key(|(at, stop)| (at + stop.len(), *at))
            .map(|(at, stop)| (at, stop.clone()));
        if let Some((at, stop_sequence)) = found {
            let mut text = std::mem::take(&mut self.held);
            text.truncate(at);
            self.send(text, tell);
            self.end(FinishReason::Stop, stop_sequence, tell);
            return;
        }
        let keep_from = self.held.len() - self.longest_beginning();
        let held = self.held.split_off(keep_from);
        let text = std::mem::replace(&mut self.held, held);
        self.send(text, tell);
    }

    /// The length of the longest end of the held text that is the beginning of a stop sequence.
    fn longest_beginning(&self) -> usize {
        let longest = |stop: &String| {
            let most = self.held.len().min(stop.len() - 1);
            let fits =
                |length: &usize| stop.is_char_boundary(*length) && self.held.ends_with(&stop[..*length]);
            (1..=most).rev().find(fits).unwrap_or(0)
        };
        self.stop_sequences.iter().map(longest).max().unwrap_or(0)
    }

    fn send(&mut self, mut text: String, tell: &mut impl FnMut(Event)) {
        if text.is_empty() || self.ended {
            return;
        }
        let Some(left) = &mut self.quarters_left else {
            tell(Event::TextDelta(TextDelta { text }));
            return;
        };
        let mut cut = None;
        for (at, character) in text.char_indices() {
            let quarters = if character.is_ascii() { 1 } else { 4 };
            match left.checked_sub(quarters) {
                Some(rest) => *left = rest,
                None => {
                    cut = Some(at);
                    break;
                }
            }
        }
        if let Some(at) = cut {
            text.truncate(at);
        }
        if !text.is_empty() {
            tell(Event::TextDelta(TextDelta { text }));
        }
        if cut.is_some() {
            self.end(FinishReason::Length, String::new(), tell);
        }
    }

    fn end(&mut self, reason: FinishReason, stop_sequence: String, tell: &mut impl FnMut(Event)) {
        if !self.ended {
            self.ended = true;
            tell(Event::Finished(Finished { reason: reason.into(), stop_sequence }));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text that passes and how it ends.
    fn passed(max: i64, stops: &[&str], pieces: &[&str]) -> (String, FinishReason, String) {
        let stop_sequences = stops.iter().map(|s| (*s).to_owned()).collect();
        let mut limiter = Limiter::new(Some(Limits { max_output_tokens: max, stop_sequences })).unwrap();
        let mut out = Vec::new();
        let mut tell = |event| out.push(event);
        for piece in pieces {
            limiter.pass(Event::TextDelta(TextDelta { text: (*piece).to_owned() }), &mut tell);
        }
        let stop = Finished { reason: FinishReason::Stop.into(), stop_sequence: String::new() };
        limiter.pass(Event::Finished(stop), &mut tell);
        let mut text = String::new();
        for event in &out {
            match event {
                Event::TextDelta(delta) => text.push_str(&delta.text),
                Event::Finished(finished) => {
                    return (text, finished.reason(), finished.stop_sequence.clone());
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("no end in {out:?}")
    }

    #[test]
    fn a_stop_sequence_ends_the_answer_wherever_it_is_cut() {
        let end = |text: &str, stop: &str| (text.to_owned(), FinishReason::Stop, stop.to_owned());
        assert_eq!(passed(0, &["END"], &["one EN", "D two"]), end("one ", "END"));
        assert_eq!(passed(0, &["END"], &["E", "N", "X", "END"]), end("ENX", "END"));
        assert_eq!(passed(0, &["\n\n", "b"], &["a\n", "\nb"]), end("a", "\n\n"));
        assert_eq!(passed(0, &["END"], &["all of it, EN"]), end("all of it, EN", ""));
        assert_eq!(passed(0, &["é!"], &["caf", "é", "!"]), end("caf", "é!"));
    }

    #[test]
    fn a_token_limit_cuts_and_says_so() {
        let (text, reason, _) = passed(2, &[], &["12345", "6789"]);
        assert_eq!((text.as_str(), reason), ("12345678", FinishReason::Length));
        let (text, reason, _) = passed(2, &[], &["12345678"]);
        assert_eq!((text.as_str(), reason), ("12345678", FinishReason::Stop), "exactly enough is no cut");
        let (text, reason, _) = passed(2, &[], &["日本語"]);
        assert_eq!((text.as_str(), reason), ("日本", FinishReason::Length));
    }

    #[test]
    fn limits_without_sense_are_refused_by_name() {
        let field = |limits| Limiter::new(Some(limits)).unwrap_err().violations[0].field.clone();
        assert_eq!(field(Limits { max_output_tokens: -1, ..Default::default() }), "limits.max_output_tokens");
        let stops = |stop_sequences| Limits { stop_sequences, ..Default::default() };
        assert_eq!(field(stops(vec!["a".into(), String::new()])), "limits.stop_sequences[1]");
        assert_eq!(field(stops(vec!["a".into(); 17])), "limits.stop_sequences");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_answer(
            text in "[abé]{0,30}",
            stops in prop::collection::vec("[abé]{1,4}", 0..3),
            max in 0i64..6,
            cuts in prop::collection::vec(0usize..40, 0..8),
        ) {
            let stops: Vec<_> = stops.iter().map(String::as_str).collect();
            let mut at: Vec<_> = cuts.into_iter().filter(|c| text.is_char_boundary(*c)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<_> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();

            let split = passed(max, &stops, &pieces);

            prop_assert_eq!(&split, &passed(max, &stops, &[&text]));
            prop_assert!(stops.iter().all(|stop| !split.0.contains(stop)));
            prop_assert!(text.starts_with(&split.0));
        }
    }
}
