//! The body of `POST /v1/responses` as callers send it, read leniently; what the fields mean together is decided in
//! `accept`. Text borrows from the body.

mod item;
mod tool;

use std::collections::{BTreeMap, HashMap};

use serde::de::MapAccess;
use serde_json::value::RawValue;
use warp2api_proto::warp_chat::v1::Message;

pub(super) use item::{Called, Item, Output, Reasoning, Said, Thought};
pub(super) use tool::{AllowedTool, Format, Tool, ToolChoice};

use super::items::{KeptTurn, response_of};
use crate::json::{
    Entries, Flag, Integer, List, Object, Real, Text, TextOrList, TextOrObject, entries, read_body, skip,
};
use crate::raw::Json;
use crate::rejection::Rejection;
use crate::unknown::Unknown;

/// A request that was read, and not yet looked at.
#[derive(Debug, Default)]
pub struct ResponsesRequest<'a> {
    pub(super) fields: Fields<'a>,
    /// The items of the input. A string is one.
    pub(super) items: Vec<Item<'a>>,
    /// What was said before, if the request goes on with an earlier response that is kept.
    pub(super) earlier: Vec<Message>,
    /// What the input refers to, by id.
    pub(super) referred: HashMap<String, Referred>,
}

/// An item that the input only names.
#[derive(Debug)]
pub(super) struct Referred {
    /// Where the input names it.
    pub(super) place: usize,
    /// The item itself.
    item: Json,
    /// The item in the contract's terms.
    pub(super) message: Message,
}

/// The fields of the request.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) model: Option<Text<'a>>,
    pub(super) input: Option<&'a RawValue>,
    pub(super) instructions: Option<Text<'a>>,
    pub(super) stream: Option<Flag>,
    pub(super) stream_options: Option<Object<StreamOptions>>,
    pub(super) tools: Option<&'a RawValue>,
    pub(super) tool_choice: Option<&'a RawValue>,
    pub(super) parallel_tool_calls: Option<Flag>,
    pub(super) max_output_tokens: Option<Integer>,
    pub(super) max_tool_calls: Option<Integer>,
    pub(super) reasoning: Option<Object<ReasoningOptions<'a>>>,
    pub(super) text: Option<Object<TextOptions<'a>>>,
    pub(super) store: Option<Flag>,
    pub(super) previous_response_id: Option<Text<'a>>,
    pub(super) conversation: Option<TextOrObject<'a, FreeForm>>,
    pub(super) prompt: Option<Object<FreeForm>>,
    pub(super) background: Option<Flag>,
    pub(super) include: Option<List<Text<'a>>>,
    pub(super) temperature: Option<Real>,
    pub(super) top_p: Option<Real>,
    pub(super) top_logprobs: Option<Integer>,
    pub(super) truncation: Option<Text<'a>>,
    pub(super) metadata: Option<&'a RawValue>,
    pub(super) prompt_cache_key: Option<Text<'a>>,
    pub(super) prompt_cache_options: Option<Object<FreeForm>>,
    pub(super) prompt_cache_retention: Option<Text<'a>>,
    pub(super) safety_identifier: Option<Text<'a>>,
    pub(super) service_tier: Option<Text<'a>>,
    pub(super) user: Option<Text<'a>>,
    /// The names of fields that are not looked at, where they are not null.
    pub(super) unknown: Unknown,
}

impl<'a> ResponsesRequest<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When the body is not JSON, with line and column, or a value is of the wrong type, with its path.
    pub fn parse(body: &'a [u8]) -> Result<Self, Rejection> {
        let fields: Fields<'a> = read_body(body).map_err(|error| Rejection::read("", error))?;
        let items = match fields.input {
            None => Vec::new(),
            Some(raw) => items(raw)?,
        };
        Ok(Self { fields, items, ..Self::default() })
    }

    /// The id of the response that this one goes on with.
    pub fn previous_response_id(&self) -> Option<&str> {
        self.fields.previous_response_id.as_ref().map(Text::as_str).filter(|id| !id.is_empty())
    }

    /// Whether the response is to be kept.
    pub fn store(&self) -> bool {
        self.fields.store.is_none_or(|store| store.0)
    }

    /// Says that nothing can be kept. Who asked for it is told.
    pub fn keep_nothing(&mut self) {
        if self.fields.store.replace(Flag(false)).is_some_and(|asked| asked.0) {
            self.fields.unknown.note("store");
        }
    }

    /// The ids of the responses that the input refers to items of, with where it does and how they are called.
    pub fn references(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        let mut references: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for (place, item) in self.items.iter().enumerate() {
            if let Item::Reference(Some(id)) = item
                && let Some(response) = response_of(id.as_str())
            {
                // Each is taken once, so that a small request does not become a large one.
                references.entry(response).or_default().entry(id.as_str().to_owned()).or_insert(place);
            }
        }
        references
    }

    /// Takes the items that were referred to from the turn they belong to. `said` is what its items are in the
    /// contract's terms, one to one. What is not there is told when the request is taken on.
    pub fn take_from(&mut self, turn: &KeptTurn<'_>, said: &[Message], ids: &BTreeMap<String, usize>) {
        for (item, message) in turn.items().into_iter().zip(said) {
            let named = item["id"].as_str().and_then(|id| ids.get_key_value(id));
            if let Some((id, place)) = named {
                let referred = Referred { place: *place, item: Json::of(&item), message: message.clone() };
                self.referred.insert(id.clone(), referred);
            }
        }
    }

    /// The input as it came, with what it only refers to, to be listed later.
    pub fn input(&self) -> Json {
        let Some(raw) = self.fields.input else { return Json::of::<[(); 0]>(&[]) };
        let list = crate::json::read::<List<&RawValue>>(raw.get().as_bytes());
        let Some(List(list)) = list.ok().filter(|_| !self.referred.is_empty()) else {
            return Json::compact(raw);
        };
        let places: HashMap<usize, &Json> =
            self.referred.values().map(|referred| (referred.place, &referred.item)).collect();
        let items = list.into_iter().enumerate();
        let items = items.map(|(place, raw)| {
            places.get(&place).map_or_else(|| Json::compact(raw), |item| (*item).clone())
        });
        Json::of(&items.collect::<Vec<_>>())
    }

    /// What was said up to the end of that response.
    pub fn go_on_after(&mut self, earlier: Vec<Message>) {
        self.earlier = earlier;
    }
}

fn items(raw: &RawValue) -> Result<Vec<Item<'_>>, Rejection> {
    let list = crate::json::read::<TextOrList<'_, &RawValue>>(raw.get().as_bytes());
    match list.map_err(|error| Rejection::read("input", error))? {
        TextOrList::Text(text) => Ok(vec![Item::Said(Said::user(text))]),
        TextOrList::List(list) => {
            let items = list.into_iter().enumerate();
            items.map(|(index, raw)| Item::read(raw, &format!("input[{index}]"))).collect()
        }
    }
}

impl<'de> Entries<'de> for Fields<'de> {
    fn entry<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "model" => self.model = map.next_value()?,
            "input" => self.input = map.next_value()?,
            "instructions" => self.instructions = map.next_value()?,
            "stream" => self.stream = map.next_value()?,
            "stream_options" => self.stream_options = map.next_value()?,
            "tools" => self.tools = map.next_value()?,
            "tool_choice" => self.tool_choice = map.next_value()?,
            "parallel_tool_calls" => self.parallel_tool_calls = map.next_value()?,
            "max_output_tokens" => self.max_output_tokens = map.next_value()?,
            "max_tool_calls" => self.max_tool_calls = map.next_value()?,
            "reasoning" => self.reasoning = map.next_value()?,
            "text" => self.text = map.next_value()?,
            "store" => self.store = map.next_value()?,
            "previous_response_id" => self.previous_response_id = map.next_value()?,
            "conversation" => self.conversation = map.next_value()?,
            "prompt" => self.prompt = map.next_value()?,
            "background" => self.background = map.next_value()?,
            "include" => self.include = map.next_value()?,
            "temperature" => self.temperature = map.next_value()?,
            "top_p" => self.top_p = map.next_value()?,
            "top_logprobs" => self.top_logprobs = map.next_value()?,
            "truncation" => self.truncation = map.next_value()?,
            "metadata" => self.metadata = map.next_value()?,
            "prompt_cache_key" => self.prompt_cache_key = map.next_value()?,
            "prompt_cache_options" => self.prompt_cache_options = map.next_value()?,
            "prompt_cache_retention" => self.prompt_cache_retention = map.next_value()?,
            "safety_identifier" => self.safety_identifier = map.next_value()?,
            "service_tier" => self.service_tier = map.next_value()?,
            "user" => self.user = map.next_value()?,
            unknown => self.unknown.pass_over(unknown, map)?,
        }
        Ok(())
    }
}

/// How to stream.
#[derive(Debug, Default)]
pub(super) struct StreamOptions {
    pub(super) include_obfuscation: Option<Flag>,
}

entries!(StreamOptions {
    "include_obfuscation" => include_obfuscation,
});

/// How to think.
#[derive(Debug, Default)]
pub(super) struct ReasoningOptions<'a> {
    pub(super) effort: Option<Text<'a>>,
    pub(super) summary: Option<Text<'a>>,
    /// The older name of `summary`.
    pub(super) generate_summary: Option<Text<'a>>,
}

entries!(ReasoningOptions<'de> {
    "effort" => effort,
    "summary" => summary,
    "generate_summary" => generate_summary,
});

/// What the text is to be like.
#[derive(Debug, Default)]
pub(super) struct TextOptions<'a> {
    pub(super) format: Option<&'a RawValue>,
    pub(super) verbosity: Option<Text<'a>>,
}

entries!(TextOptions<'de> {
    "format" => format,
    "verbosity" => verbosity,
});

/// An object whose entries are not looked at.
#[derive(Debug, Default)]
pub(super) struct FreeForm {
    pub(super) any: bool,
}

impl<'de> Entries<'de> for FreeForm {
    fn entry<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        self.any = true;
        skip(map)
    }
}
