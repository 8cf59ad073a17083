//! Conversations by chance: every role in every order, ids that repeat, results without calls and calls without
//! results. Each message has a mark of its own in its text, so that a test can tell where it went.

use proptest::prelude::*;
use serde_json::{Value, json};

/// The smallest image there is.
pub(crate) const GIF: &str = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";

/// A conversation and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Generated {
    /// The messages as a caller sends them.
    pub(crate) messages: Vec<Value>,
    /// The marked texts that are instructions, in order.
    pub(crate) instructions: Vec<String>,
    /// The marked texts of users and the model, in order.
    pub(crate) said: Vec<String>,
    /// The marked texts of tools, in order.
    pub(crate) results: Vec<String>,
    /// How many calls the model made.
    pub(crate) calls: usize,
    /// How many images there are.
    pub(crate) images: usize,
}

#[derive(Debug, Clone)]
enum Turn {
    Instructions { role: &'static str, text: String, parts: bool },
    User { text: String, parts: bool, images: usize },
    Assistant { text: Option<String>, calls: Vec<(u8, Value)> },
    Tool { id: u8, text: String, parts: bool, image: bool },
    Function { call: bool, text: String },
}

/// Conversations of up to 14 messages.
pub(crate) fn conversations() -> impl Strategy<Value = Generated> {
    prop::collection::vec(turn(), 1..14).prop_map(|turns| write(&turns))
}

fn turn() -> impl Strategy<Value = Turn> {
    let instructions = (prop_oneof![Just("system"), Just("developer")], text(), any::<bool>())
        .prop_map(|(role, text, parts)| Turn::Instructions { role, text, parts });
    let user = (text(), any::<bool>(), 0..3usize).prop_map(|(text, parts, images)| Turn::User {
        text,
        parts,
        images,
    });
    let calls = prop::collection::vec((0..4u8, arguments()), 0..4);
    let assistant =
        (prop::option::of(text()), calls).prop_map(|(text, calls)| Turn::Assistant { text, calls });
    let tool = (0..5u8, text(), any::<bool>(), prop::bool::weighted(0.1))
        .prop_map(|(id, text, parts, image)| Turn::Tool { id, text, parts, image });
    let function = (any::<bool>(), text()).prop_map(|(call, text)| Turn::Function { call, text });
    prop_oneof![1 => instructions, 3 => user, 4 => assistant, 5 => tool, 1 => function]
}

/// Text with everything that a careless hand would change, markup of ours included.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        " ",
        "\n",
        "\r\n",
        "\t",
        "&",
        "<",
        ">",
        "\"",
        "\\",
        "&lt;",
        "&amp;amp;",
        "<user>",
        "\n</user>\n",
        "<tool_result id=\"k1\">",
        "</tool_call>",
        "<continue/>",
        "é",
        "日本",
        "👩‍👧",
        "\u{0}",
        "word",
        "{}",
    ]);
    prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())
}

fn arguments() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1000i32..1000).prop_map(|eighths| Value::from(f64::from(eighths) / 8.0 + 0.125)),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            object_of(inner.boxed()),
        ]
    });
    object_of(value.boxed())
}

fn object_of(value: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec(("[a-z]{0,3}", value), 0..4)
        .prop_map(|entries| Value::Object(entries.into_iter().collect()))
}

fn write(turns: &[Turn]) -> Generated {
    let mut generated = Generated {
        messages: Vec::new(),
        instructions: Vec::new(),
        said: Vec::new(),
        results: Vec::new(),
        calls: 0,
        images: 0,
    };
    for (index, turn) in turns.iter().enumerate() {
        let mark = |text: &str| format!("[{index}]{text}");
        let message = generated.write(turn, mark);
        generated.messages.push(message);
    }
    generated
}

impl Generated {
    fn write(&mut self, turn: &Turn, mark: impl Fn(&str) -> String) -> Value {
        match turn {
            Turn::Instructions { role, text, parts } => {
                let text = mark(text);
                self.instructions.push(text.clone());
                json!({ "role": role, "content": content(&text, *parts, 0) })
            }
            Turn::User { text, parts, images } => {
                let text = mark(text);
                self.said.push(text.clone());
                let images = if *parts { *images } else { 0 };
                self.images += images;
                json!({ "role": "user", "content": content(&text, *parts, images) })
            }
            Turn::Assistant { text, calls } => {
                let text = text.as_deref().map(&mark);
                self.said.extend(text.clone());
                self.calls += calls.len();
                let mut message = json!({ "role": "assistant", "content": text });
                let calls = calls.iter().map(|(id, arguments)| {
                    let function = json!({ "name": "work", "arguments": arguments.to_string() });
                    json!({ "id": format!("k{id}"), "type": "function", "function": function })
                });
                let calls: Vec<_> = calls.collect();
                if !calls.is_empty() {
                    message["tool_calls"] = json!(calls);
                }
                message
            }
            Turn::Tool { id, text, parts, image } => {
                let text = mark(text);
                self.results.push(text.clone());
                let images = usize::from(*parts && *image);
                self.images += images;
                let content = content(&text, *parts, images);
                json!({ "role": "tool", "tool_call_id": format!("k{id}"), "content": content })
            }
            Turn::Function { call: true, .. } => {
                self.calls += 1;
                json!({ "role": "assistant", "content": null, "function_call": { "name": "old", "arguments": "{}" } })
            }
            Turn::Function { call: false, text } => {
                let text = mark(text);
                self.results.push(text.clone());
                json!({ "role": "function", "name": "old", "content": text })
            }
        }
    }
}

fn content(text: &str, parts: bool, images: usize) -> Value {
    if !parts {
        return json!(text);
    }
    let image = json!({ "type": "image_url", "image_url": { "url": GIF } });
    let parts =
        std::iter::once(json!({ "type": "text", "text": text })).chain(std::iter::repeat_n(image, images));
    parts.collect()
}
