//! The other way to carry history: as text of the query.
//!
//! For an upstream that no longer takes messages it did not write. Structure becomes markup, and nothing is lost:
//! every text is escaped so that it cannot be mistaken for markup, and can be read back to the byte.
//!
//! ```text
//! <user>
//! What is 2+2?
//! </user>
//! <tool_call id="k1" name="add">
//! {"a":2,"b":2}
//! </tool_call>
//! ```

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::arrange::{Arranged, Input};
use crate::conversation::{Answer, AnswerContent, AnswerPart, Call, Item, UserTurn};
use crate::image::CheckedImage;

/// The same conversation with everything but the instructions in one query. A conversation that is nothing but one
/// question stays as it is.
pub(crate) fn flatten(arranged: Arranged) -> Arranged {
    let Arranged { instructions, history, input } = arranged;
    if history.is_empty() && matches!(input, Input::Query(_)) {
        return Arranged { instructions, history, input };
    }
    let mut text = String::new();
    let mut images = Vec::new();
    for item in history {
        section(&mut text, &mut images, item);
    }
    match input {
        Input::Query(turn) => section(&mut text, &mut images, Item::User(turn)),
        Input::Answers(answers) => {
            for answer in answers {
                section(&mut text, &mut images, Item::Answer(answer));
            }
        }
        // An open section: the model's words go on here.
        Input::Continue => text.push_str("<continue/>\n"),
    }
    Arranged { instructions, history: Vec::new(), input: Input::Query(UserTurn { text, images }) }
}

fn section(text: &mut String, images: &mut Vec<CheckedImage>, item: Item) {
    match item {
        Item::User(turn) => {
            let pictures = turn.images.len();
            images.extend(turn.images);
            let note = if pictures == 0 { String::new() } else { format!(" images=\"{pictures}\"") };
            element(text, "user", &note, &turn.text);
        }
        Item::Assistant(said) => element(text, "assistant", "", &said),
        Item::Call(Call { id, name, arguments }) => {
            let arguments = Value::Object(Map::from(arguments)).to_string();
            let attributes = format!(" id=\"{}\" name=\"{}\"", attribute(&id), attribute(&name));
            element(text, "tool_call", &attributes, &arguments);
        }
        Item::Answer(Answer { call_id, content }) => {
            let id = format!(" id=\"{}\"", attribute(&call_id));
            match content {
                AnswerContent::Parts(parts) => {
                    for part in parts {
                        match part {
                            AnswerPart::Text(said) => element(text, "tool_result", &id, &said),
                            AnswerPart::Image(image) => {
                                images.push(image);
                                element(text, "tool_result", &format!("{id} images=\"1\""), "");
                            }
                        }
                    }
                }
                AnswerContent::Error(said) => {
                    element(text, "tool_result", &format!("{id} error=\"true\""), &said)
                }
                AnswerContent::Cancelled => {
                    element(text, "tool_result", &format!("{id} cancelled=\"true\""), "")
                }
            }
        }
    }
}

fn element(text: &mut String, name: &str, attributes: &str, content: &str) {
    // Writing to a String cannot fail.
    let _written: std::fmt::Result = writeln!(text, "<{name}{attributes}>\n{}\n</{name}>", escape(content));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn attribute(text: &str) -> String {
    escape(text).replace('"', "&quot;").replace('\n', "&#10;")
}
