//! Decides what a request means: the contract's request, what is refused, and what is ignored by name. The rule:
//! refused is what would give a wrong answer in silence; what cannot be honoured otherwise is named.
//!
//! The table in [`crate::messages::PARAMETERS`] says the same in words, and a test holds the two together.

mod blocks;
mod conversation;
mod images;
mod tools;

use warp2api_proto::warp_chat::v1::{Delivery, Limits, StreamChatRequest};

use super::answer::Plan;
use super::request::{FreeForm, MessagesRequest};
use crate::checks::{effort, flag, integer, named_model, other, real, word};
use crate::dialect::{Accepted, Request};
use crate::fields::FieldNames;
use crate::ignored::Ignored;
use crate::images::{FetchedImages, Images, RemoteImage};
use crate::json::{Object, Text};
use crate::rejection::Rejection;

/// The contract's own bound.
const MAX_STOP_SEQUENCES: usize = 16;

/// What blocks share while they are mapped.
#[derive(Debug)]
struct Context<'a> {
    images: Images<'a>,
    ignored: Ignored,
}

impl Request for MessagesRequest<'_> {
    type Plan = Plan;

    fn remote_images(&self) -> Vec<RemoteImage> {
        images::remote(self)
    }

    fn accept(&self, fetched: &FetchedImages) -> Result<Accepted<Plan>, Rejection> {
        integer(self.max_tokens, "max_tokens", 1..=i64::MAX)?;
        integer(self.top_k, "top_k", 0..=i64::MAX)?;
        real(self.temperature, "temperature", 0.0..=1.0)?;
        real(self.top_p, "top_p", 0.0..=1.0)?;
        let mut context = Context { images: Images::new(fetched), ignored: self.ignored() };
        let conversation = conversation::conversation(self, &mut context)?;
        let tools = tools::tools(self, &mut context.ignored)?;
        let (tool_choice, parallel_tool_calls) = tools::choice(self)?;
        let stream = flag(self.stream);
        let config = self.output_config.as_ref().and_then(|config| config.0.effort.as_ref());

        Ok(Accepted {
            request: StreamChatRequest {
                model: self.model.as_ref().map(|model| model.as_str().to_owned()).unwrap_or_default(),
                messages: conversation.messages,
                tools,
                tool_choice,
                parallel_tool_calls,
                limits: self.limits()?,
                reasoning_effort: effort(config, "output_config.effort")?.to_owned(),
                // A stream shows text as it comes; a whole answer can wait until none of it can be taken back.
                delivery: if stream { Delivery::Live } else { Delivery::Committed }.into(),
                // Not of Anthropic's dialect: the edge reads it off a header.
                resume: None,
            },
            stream,
            ignored: context.ignored.into_names(),
            fields: FieldNames {
                messages: "messages",
                before: conversation.before,
                before_from: "system",
                items: conversation.items,
                max_output_tokens: "max_tokens",
                stop_sequences: "stop_sequences",
            },
            plan: Plan {
                model: named_model(self.model.as_ref()).to_owned(),
                call_ids: conversation.call_ids,
            },
        })
    }
}

impl MessagesRequest<'_> {
    fn limits(&self) -> Result<Option<Limits>, Rejection> {
        let most = self.max_tokens.map(|tokens| tokens.0);
        let stops = self.stop_sequences.iter().flat_map(|stops| &stops.0);
        let stop_sequences: Vec<String> = stops.map(|stop| stop.as_str().to_owned()).collect();
        if stop_sequences.len() > MAX_STOP_SEQUENCES {
            let words = format!("expected at most {MAX_STOP_SEQUENCES} strings");
            return Err(Rejection::invalid("stop_sequences", words));
        }
        if let Some(index) = stop_sequences.iter().position(String::is_empty) {
            let param = format!("stop_sequences[{index}]");
            return Err(Rejection::invalid(param, "expected a string that is not empty"));
        }
        let limited = most.is_some() || !stop_sequences.is_empty();
        Ok(limited.then(|| Limits { max_output_tokens: most.unwrap_or_default(), stop_sequences }))
    }

    /// Names what is not done: a parameter that asks for something other than what happens without it.
    fn ignored(&self) -> Ignored {
        let any = |object: &Option<Object<FreeForm>>| object.as_ref().is_some_and(|object| object.0.any);
        let thinks = self.thinking.as_ref().map(|thinking| thinking.0.kind.as_ref().map(Text::as_str));
        let config = self.output_config.as_ref().map(|config| &config.0);

        let mut ignored = Ignored::default();
        ignored.note_if(other(self.temperature, 1.0), "temperature");
        ignored.note_if(other(self.top_p, 1.0), "top_p");
        ignored.note_if(self.top_k.is_some(), "top_k");
        ignored.note_if(thinks.is_some_and(|kind| kind != Some("disabled")), "thinking");
        ignored.note_if(config.is_some_and(|config| config.format.is_some()), "output_config.format");
        ignored
            .note_if(config.is_some_and(|config| config.task_budget.is_some()), "output_config.task_budget");
        ignored.note_if(any(&self.context_management), "context_management");
        ignored.note_if(any(&self.metadata), "metadata");
        ignored.note_if(word(&self.service_tier, &["", "auto"]), "service_tier");
        ignored.note_if(word(&self.speed, &["", "standard"]), "speed");
        let servers = self.mcp_servers.as_ref().is_some_and(|servers| !servers.0.is_empty());
        ignored.note_if(servers, "mcp_servers");
        ignored.note_if(self.cache_control.is_some(), "cache_control");
        for name in self.unknown.names() {
            ignored.note(name);
        }
        ignored
    }
}
