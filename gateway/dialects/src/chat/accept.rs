//! Decides what a request means: the contract's request, what is refused, and what is ignored by name. The rule:
//! refused is what would give a wrong answer in silence; what cannot be honoured otherwise is named.
//!
//! The table in [`crate::parameters`] says the same in words, and a test holds the two together.

mod messages;
mod tools;

use warp2api_proto::warp_chat::v1::{Delivery, Limits, StreamChatRequest};

use self::messages::FunctionCalls;
use super::answer::{CallStyle, Plan};
use super::request::{ChatCompletionRequest, FreeForm};
use crate::checks::{effort, flag, integer, named_model, other, real, stop_sequences, word};
use crate::content::{self, Reader};
use crate::dialect::{Accepted, Request};
use crate::fields::FieldNames;
use crate::ignored::Ignored;
use crate::images::{FetchedImages, Images, MAX_IMAGES, RemoteImage};
use crate::json::{Object, Text};
use crate::rejection::Rejection;

const FIELDS: FieldNames = FieldNames {
    messages: "messages",
    before: 0,
    before_from: "messages",
    items: Vec::new(),
    max_output_tokens: "max_completion_tokens",
    stop_sequences: "stop",
};

/// What messages share while they are mapped.
#[derive(Debug)]
struct Context<'a> {
    content: Reader<'a>,
    functions: FunctionCalls,
}

impl Request for ChatCompletionRequest<'_> {
    type Plan = Plan;

    fn remote_images(&self) -> Vec<RemoteImage> {
        let messages = self.messages.iter().flat_map(|messages| &messages.0).enumerate();
        let images = messages.flat_map(|(index, Object(message))| {
            content::remote_images(message.content.as_ref(), &format!("messages[{index}].content"))
        });
        images.take(MAX_IMAGES).collect()
    }

    fn accept(&self, fetched: &FetchedImages) -> Result<Accepted<Plan>, Rejection> {
        self.check_ranges()?;
        self.refuse()?;
        let mut context = Context {
            content: Reader::new(Images::new(fetched), "messages.content.image_url.detail", self.ignored()),
            functions: FunctionCalls::default(),
        };

        let Some(messages) = self.messages.as_ref().filter(|messages| !messages.0.is_empty()) else {
            return Err(Rejection::invalid("messages", "expected an array with at least one message"));
        };
        let mut mapped = Vec::with_capacity(messages.0.len());
        for (index, Object(message)) in messages.0.iter().enumerate() {
            mapped.push(messages::message(message, &format!("messages[{index}]"), &mut context)?);
        }
        let tools = tools::tools(self, &mut context.content.ignored)?;
        let tool_choice = tools::tool_choice(self, &tools)?;
        let stream = flag(self.stream);
        let options = self.stream_options.as_ref().map(|options| &options.0);

        Ok(Accepted {
            request: StreamChatRequest {
                model: self.model.as_ref().map(|model| model.as_str().to_owned()).unwrap_or_default(),
                messages: mapped,
                tools,
                tool_choice,
                parallel_tool_calls: self.parallel_tool_calls.map(|flag| flag.0),
                limits: self.limits()?,
                reasoning_effort: effort(self.reasoning_effort.as_ref(), "reasoning_effort")?.to_owned(),
                // A stream shows text as it comes; a whole answer can wait until none of it can be taken back.
                delivery: if stream { Delivery::Live } else { Delivery::Committed }.into(),
                // Not of OpenAI's dialect: the edge reads it off a header.
                resume: None,
            },
            stream,
            ignored: context.content.ignored.into_names(),
            fields: FIELDS,
            plan: Plan {
                model: named_model(self.model.as_ref()).to_owned(),
                include_usage: stream && options.is_some_and(|options| flag(options.include_usage)),
                call_style: self.call_style(),
            },
        })
    }
}

impl ChatCompletionRequest<'_> {
    fn call_style(&self) -> CallStyle {
        let any_tools = self.tools.as_ref().is_some_and(|tools| !tools.0.is_empty());
        let any_functions = self.functions.as_ref().is_some_and(|functions| !functions.0.is_empty());
        if any_functions && !any_tools { CallStyle::Function } else { CallStyle::Tools }
    }

    fn limits(&self) -> Result<Option<Limits>, Rejection> {
        let most = self.max_completion_tokens.or(self.max_tokens).map(|tokens| tokens.0);
        let stop_sequences = stop_sequences(self.stop.as_ref())?;
        let limited = most.is_some() || !stop_sequences.is_empty();
        Ok(limited.then(|| Limits { max_output_tokens: most.unwrap_or_default(), stop_sequences }))
    }

    fn check_ranges(&self) -> Result<(), Rejection> {
        integer(self.max_completion_tokens, "max_completion_tokens", 1..=i64::MAX)?;
        integer(self.max_tokens, "max_tokens", 1..=i64::MAX)?;
        integer(self.n, "n", 1..=128)?;
        integer(self.top_logprobs, "top_logprobs", 0..=20)?;
        real(self.temperature, "temperature", 0.0..=2.0)?;
        real(self.top_p, "top_p", 0.0..=1.0)?;
        real(self.frequency_penalty, "frequency_penalty", -2.0..=2.0)?;
        real(self.presence_penalty, "presence_penalty", -2.0..=2.0)?;
        if self.logit_bias.as_ref().is_some_and(|biases| biases.0.out_of_range) {
            return Err(Rejection::invalid("logit_bias", "expected numbers from -100 to 100"));
        }
        Ok(())
    }

    /// Refuses what would give a wrong answer in silence.
    fn refuse(&self) -> Result<(), Rejection> {
        if self.n.is_some_and(|n| n.0 > 1) {
            return Err(Rejection::unsupported("n", "only one choice can be had"));
        }
        if flag(self.logprobs) {
            return Err(Rejection::unsupported("logprobs", "the upstream gives no probabilities"));
        }
        if self.top_logprobs.is_some_and(|most| most.0 > 0) {
            return Err(Rejection::unsupported("top_logprobs", "the upstream gives no probabilities"));
        }
        let mut modalities = self.modalities.iter().flat_map(|modalities| &modalities.0);
        if modalities.any(|modality| modality.as_str() != "text") {
            return Err(Rejection::unsupported("modalities", "answers are text only"));
        }
        Ok(())
    }

    /// Names what is not done: a parameter that asks for something other than what happens without it.
    fn ignored(&self) -> Ignored {
        let any = |object: &Option<Object<FreeForm>>| object.as_ref().is_some_and(|object| object.0.any);
        let format = self.response_format.as_ref().map(|format| format.0.kind.as_ref().map(Text::as_str));
        let options = self.stream_options.as_ref().map(|options| &options.0);

        let mut ignored = Ignored::default();
        ignored.note_if(other(self.temperature, 1.0), "temperature");
        ignored.note_if(other(self.top_p, 1.0), "top_p");
        ignored.note_if(other(self.frequency_penalty, 0.0), "frequency_penalty");
        ignored.note_if(other(self.presence_penalty, 0.0), "presence_penalty");
        ignored.note_if(self.logit_bias.as_ref().is_some_and(|biases| biases.0.any), "logit_bias");
        ignored.note_if(self.seed.is_some(), "seed");
        ignored.note_if(format.is_some_and(|kind| kind != Some("text")), "response_format");
        ignored.note_if(self.audio.is_some(), "audio");
        ignored.note_if(self.prediction.is_some(), "prediction");
        ignored.note_if(self.web_search_options.is_some(), "web_search_options");
        ignored.note_if(self.moderation.is_some(), "moderation");
        ignored.note_if(any(&self.metadata), "metadata");
        ignored.note_if(any(&self.prompt_cache_options), "prompt_cache_options");
        ignored.note_if(word(&self.prompt_cache_key, &[""]), "prompt_cache_key");
        ignored.note_if(word(&self.prompt_cache_retention, &[""]), "prompt_cache_retention");
        ignored.note_if(word(&self.safety_identifier, &[""]), "safety_identifier");
        ignored.note_if(word(&self.user, &[""]), "user");
        ignored.note_if(word(&self.service_tier, &["", "auto", "default"]), "service_tier");
        ignored.note_if(word(&self.verbosity, &["", "medium"]), "verbosity");
        ignored.note_if(flag(self.store), "store");
        let obfuscation = options.is_some_and(|options| flag(options.include_obfuscation));
        ignored.note_if(obfuscation, "stream_options.include_obfuscation");
        for name in self.unknown.names() {
            ignored.note(name);
        }
        ignored
    }
}
