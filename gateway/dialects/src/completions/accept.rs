//! Decides what a request means, by the same rule as for chat: refused is what would give a wrong answer in silence;
//! what cannot be honoured otherwise is named.

use warp2api_proto::warp_chat::v1::{Delivery, Limits, Message, Role, StreamChatRequest};

use super::answer::Plan;
use super::request::CompletionRequest;
use crate::checks::{flag, integer, named_model, other, real, stop_sequences, word};
use crate::dialect::{Accepted, Request};
use crate::fields::FieldNames;
use crate::ignored::Ignored;
use crate::images::{FetchedImages, RemoteImage};
use crate::json::{Text, TextOrList, read};
use crate::parts;
use crate::rejection::Rejection;

impl Request for CompletionRequest<'_> {
    type Plan = Plan;

    /// A prompt is text.
    fn remote_images(&self) -> Vec<RemoteImage> {
        Vec::new()
    }

    fn accept(&self, _: &FetchedImages) -> Result<Accepted<Plan>, Rejection> {
        self.check_ranges()?;
        self.refuse()?;
        let prompt = self.prompt()?;
        let limits = self.limits()?;
        let stream = flag(self.stream);
        let usage = self.stream_options.as_ref().is_some_and(|options| flag(options.0.include_usage));
        Ok(Accepted {
            request: StreamChatRequest {
                model: self.model.as_ref().map(|model| model.as_str().to_owned()).unwrap_or_default(),
                messages: vec![Message { role: Role::User.into(), parts: vec![parts::text(&prompt)] }],
                limits,
                // A stream shows text as it comes; a whole answer can wait until none of it can be taken back.
                delivery: if stream { Delivery::Live } else { Delivery::Committed }.into(),
                ..StreamChatRequest::default()
            },
            stream,
            ignored: self.ignored().into_names(),
            fields: FieldNames {
                messages: "prompt",
                before: 0,
                before_from: "prompt",
                items: Vec::new(),
                max_output_tokens: "max_tokens",
                stop_sequences: "stop",
            },
            plan: Plan {
                model: named_model(self.model.as_ref()).to_owned(),
                include_usage: stream && usage,
                echo: flag(self.echo).then_some(prompt),
            },
        })
    }
}

impl CompletionRequest<'_> {
    /// The one prompt there may be.
    fn prompt(&self) -> Result<String, Rejection> {
        let one = |list: &[_]| match list {
            [only] => Ok(*only),
            [] => Err(Rejection::invalid("prompt", "expected a string or an array with one string")),
            _ => Err(Rejection::unsupported("prompt", "only one prompt of text is answered in a request")),
        };
        match &self.prompt {
            None => Err(Rejection::invalid("prompt", "expected a string or an array with one string")),
            Some(TextOrList::Text(text)) => Ok(text.to_string()),
            Some(TextOrList::List(list)) => {
                let raw: &serde_json::value::RawValue = one(list)?;
                if !raw.get().starts_with('"') {
                    return Err(Rejection::unsupported(
                        "prompt",
                        "tokens are not read; send the text itself",
                    ));
                }
                let Text(text) =
                    read(raw.get().as_bytes()).map_err(|error| Rejection::read("prompt[0]", error))?;
                Ok(text.into_owned())
            }
        }
    }

    fn limits(&self) -> Result<Option<Limits>, Rejection> {
        let stop_sequences = stop_sequences(self.stop.as_ref())?;
        let max_output_tokens = self.max_tokens.map(|tokens| tokens.0).unwrap_or_default();
        let limited = max_output_tokens > 0 || !stop_sequences.is_empty();
        Ok(limited.then_some(Limits { max_output_tokens, stop_sequences }))
    }

    fn check_ranges(&self) -> Result<(), Rejection> {
        integer(self.max_tokens, "max_tokens", 1..=i64::MAX)?;
        integer(self.n, "n", 1..=128)?;
        integer(self.best_of, "best_of", 1..=20)?;
        integer(self.logprobs, "logprobs", 0..=5)?;
        real(self.temperature, "temperature", 0.0..=2.0)?;
        real(self.top_p, "top_p", 0.0..=1.0)?;
        real(self.frequency_penalty, "frequency_penalty", -2.0..=2.0)?;
        real(self.presence_penalty, "presence_penalty", -2.0..=2.0)
    }

    /// Refuses what would give a wrong answer in silence.
    fn refuse(&self) -> Result<(), Rejection> {
        if self.n.is_some_and(|n| n.0 > 1) {
            return Err(Rejection::unsupported("n", "only one choice can be had"));
        }
        if self.best_of.is_some_and(|best_of| best_of.0 > 1) {
            return Err(Rejection::unsupported("best_of", "only one choice can be had"));
        }
        if self.logprobs.is_some() {
            return Err(Rejection::unsupported("logprobs", "the upstream gives no probabilities"));
        }
        if word(&self.suffix, &[""]) {
            return Err(Rejection::unsupported("suffix", "text cannot be inserted before other text"));
        }
        Ok(())
    }

    /// Names what is not done: a parameter that asks for something other than what happens without it.
    fn ignored(&self) -> Ignored {
        let options = self.stream_options.as_ref().map(|options| &options.0);
        let mut ignored = Ignored::default();
        ignored.note_if(other(self.temperature, 1.0), "temperature");
        ignored.note_if(other(self.top_p, 1.0), "top_p");
        ignored.note_if(other(self.frequency_penalty, 0.0), "frequency_penalty");
        ignored.note_if(other(self.presence_penalty, 0.0), "presence_penalty");
        ignored.note_if(self.logit_bias.as_ref().is_some_and(|biases| biases.0.any), "logit_bias");
        ignored.note_if(self.seed.is_some(), "seed");
        ignored.note_if(word(&self.user, &[""]), "user");
        let obfuscation = options.is_some_and(|options| flag(options.include_obfuscation));
        ignored.note_if(obfuscation, "stream_options.include_obfuscation");
        for name in self.unknown.names() {
            ignored.note(name);
        }
        ignored
    }
}
