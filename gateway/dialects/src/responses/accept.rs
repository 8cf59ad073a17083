//! Decides what a request means, by the same rule as for chat: refused is what would give a wrong answer in silence;
//! what cannot be honoured otherwise is named. Each item of the input is one message, so that what the service says of
//! one names the caller's own.

mod items;
mod tools;

use serde_json::value::RawValue;
use warp2api_proto::warp_chat::v1::{Delivery, Limits, Message, Role, StreamChatRequest};

use super::echo::Echo;
use super::request::{Item, Referred, ResponsesRequest};
use super::{Plan, names};
use crate::checks::{effort, flag, integer, named_model, other, real, word};
use crate::content::{self, Reader};
use crate::dialect::{Accepted, Request};
use crate::fields::FieldNames;
use crate::ignored::Ignored;
use crate::images::{FetchedImages, Images, MAX_IMAGES, RemoteImage};
use crate::json::{Object, Text, read};
use crate::parts;
use crate::rejection::Rejection;

impl Request for ResponsesRequest<'_> {
    type Plan = Plan;

    fn remote_images(&self) -> Vec<RemoteImage> {
        let mut images = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            match item {
                Item::Said(said) => {
                    let path = format!("input[{index}].content");
                    images.extend(content::remote_images(said.content.as_ref(), &path));
                }
                Item::Output(output) => {
                    let path = format!("input[{index}].output");
                    // What cannot be read is told when the request is taken on.
                    let content = output.content(&path).unwrap_or_default();
                    images.extend(content::remote_images(content.as_ref(), &path));
                }
                _ => {}
            }
        }
        images.truncate(MAX_IMAGES);
        images
    }

    fn accept(&self, fetched: &FetchedImages) -> Result<Accepted<Plan>, Rejection> {
        self.check_ranges()?;
        self.refuse()?;
        if self.items.is_empty() {
            return Err(Rejection::invalid("input", "expected a string or an array with at least one item"));
        }
        let mut reader = Reader::new(Images::new(fetched), "input.content.detail", self.ignored());

        let mut messages = Vec::with_capacity(self.items.len() + self.earlier.len() + 1);
        let instructions = self.fields.instructions.as_ref().map(Text::as_str).unwrap_or_default();
        if !instructions.is_empty() {
            messages.push(Message { role: Role::System.into(), parts: vec![parts::text(instructions)] });
        }
        messages.extend(self.earlier.iter().cloned());
        let before = messages.len();
        for (index, item) in self.items.iter().enumerate() {
            let path = format!("input[{index}]");
            messages.push(match self.referred(item) {
                Some(referred) if referred.place == index => referred.message.clone(),
                Some(_) => return Err(Rejection::invalid(path, "the item was referred to before")),
                None => items::message(item, &path, &mut reader)?,
            });
        }
        let offered = tools::tools(&self.fields, &self.items, &mut reader.ignored)?;
        let tool_choice = tools::tool_choice(&self.fields, &offered)?;
        let stream = flag(self.fields.stream);

        Ok(Accepted {
            request: StreamChatRequest {
                model: self.fields.model.as_ref().map(|model| model.as_str().to_owned()).unwrap_or_default(),
                messages,
                tools: offered.tools,
                tool_choice,
                parallel_tool_calls: self.fields.parallel_tool_calls.map(|flag| flag.0),
                limits: self.limits(),
                reasoning_effort: self.reasoning_effort()?.to_owned(),
                // A stream shows text as it comes; a whole answer can wait until none of it can be taken back.
                delivery: if stream { Delivery::Live } else { Delivery::Committed }.into(),
                // The edge reads it off a header.
                resume: None,
            },
            stream,
            ignored: reader.ignored.into_names(),
            fields: FieldNames {
                messages: "input",
                before,
                before_from: if self.earlier.is_empty() { "instructions" } else { "previous_response_id" },
                items: Vec::new(),
                max_output_tokens: "max_output_tokens",
                stop_sequences: "stop",
            },
            plan: Plan {
                model: named_model(self.fields.model.as_ref()).to_owned(),
                echo: Echo::of(&self.fields),
                origins: offered.origins,
            },
        })
    }
}

/// The tools of a request.
#[derive(Debug)]
struct Offered {
    tools: Vec<warp2api_proto::warp_chat::v1::Tool>,
    origins: names::Origins,
}

impl ResponsesRequest<'_> {
    fn referred(&self, item: &Item<'_>) -> Option<&Referred> {
        match item {
            Item::Reference(Some(id)) => self.referred.get(id.as_str()),
            _ => None,
        }
    }

    fn limits(&self) -> Option<Limits> {
        let most = self.fields.max_output_tokens?;
        Some(Limits { max_output_tokens: most.0, ..Limits::default() })
    }

    fn reasoning_effort(&self) -> Result<&str, Rejection> {
        let asked = self.fields.reasoning.as_ref().and_then(|Object(reasoning)| reasoning.effort.as_ref());
        effort(asked, "reasoning.effort")
    }

    fn check_ranges(&self) -> Result<(), Rejection> {
        let fields = &self.fields;
        integer(fields.max_output_tokens, "max_output_tokens", 1..=i64::MAX)?;
        integer(fields.max_tool_calls, "max_tool_calls", 1..=i64::MAX)?;
        integer(fields.top_logprobs, "top_logprobs", 0..=20)?;
        real(fields.temperature, "temperature", 0.0..=2.0)?;
        real(fields.top_p, "top_p", 0.0..=1.0)?;
        if fields.metadata.is_some_and(|raw| !raw.get().starts_with('{')) {
            return Err(Rejection::invalid("metadata", "expected an object"));
        }
        Ok(())
    }

    /// Refuses what would give a wrong answer in silence.
    fn refuse(&self) -> Result<(), Rejection> {
        let fields = &self.fields;
        if flag(fields.background) {
            return Err(Rejection::unsupported("background", "a response is there when its request ends"));
        }
        if fields.conversation.is_some() {
            return Err(Rejection::unsupported(
                "conversation",
                "conversations are not kept; send what was said before, or previous_response_id",
            ));
        }
        if fields.prompt.is_some() {
            return Err(Rejection::unsupported(
                "prompt",
                "there are no templates here; send the text itself",
            ));
        }
        if fields.top_logprobs.is_some_and(|most| most.0 > 0) {
            return Err(Rejection::unsupported("top_logprobs", "the upstream gives no probabilities"));
        }
        let included = fields.include.iter().flat_map(|include| &include.0);
        for (index, included) in included.enumerate() {
            if included.as_str() == "message.output_text.logprobs" {
                let words = "the upstream gives no probabilities";
                return Err(Rejection::unsupported(format!("include[{index}]"), words));
            }
        }
        Ok(())
    }

    /// Names what is not done: a parameter that asks for something other than what happens without it.
    fn ignored(&self) -> Ignored {
        let fields = &self.fields;
        let text = fields.text.as_ref().map(|Object(text)| text);
        let format = text.and_then(|text| text.format).is_some_and(|format| !is_text(format));
        let options = fields.stream_options.as_ref().map(|Object(options)| options);

        let mut ignored = Ignored::default();
        ignored.note_if(other(fields.temperature, 1.0), "temperature");
        ignored.note_if(other(fields.top_p, 1.0), "top_p");
        ignored.note_if(format, "text.format");
        ignored.note_if(text.is_some_and(|text| word(&text.verbosity, &["", "medium"])), "text.verbosity");
        ignored.note_if(fields.include.as_ref().is_some_and(|include| !include.0.is_empty()), "include");
        ignored.note_if(fields.max_tool_calls.is_some(), "max_tool_calls");
        ignored.note_if(word(&fields.truncation, &["", "disabled"]), "truncation");
        ignored.note_if(word(&fields.prompt_cache_key, &[""]), "prompt_cache_key");
        let cache = fields.prompt_cache_options.as_ref().is_some_and(|options| options.0.any);
        ignored.note_if(cache, "prompt_cache_options");
        ignored.note_if(word(&fields.prompt_cache_retention, &[""]), "prompt_cache_retention");
        ignored.note_if(word(&fields.safety_identifier, &[""]), "safety_identifier");
        ignored.note_if(word(&fields.service_tier, &["", "auto", "default"]), "service_tier");
        ignored.note_if(word(&fields.user, &[""]), "user");
        let obfuscation = options.is_some_and(|options| flag(options.include_obfuscation));
        ignored.note_if(obfuscation, "stream_options.include_obfuscation");
        for name in fields.unknown.names() {
            ignored.note(name);
        }
        ignored
    }
}

/// Whether a format asks for what comes without one.
fn is_text(format: &RawValue) -> bool {
    let format = read::<Object<super::request::Format<'_>>>(format.get().as_bytes());
    format.is_ok_and(|Object(format)| format.kind.as_ref().is_none_or(|kind| kind.as_str() == "text"))
}
