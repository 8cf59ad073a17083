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
/// question stays as it is, unless it could be mistaken for markup.
pub(crate) fn flatten(arranged: Arranged) -> Arranged {
    let Arranged { instructions, history, input } = arranged;
    if let (true, Input::Query(turn)) = (history.is_empty(), &input)
        && !looks_like_markup(&turn.text)
    {
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

fn looks_like_markup(text: &str) -> bool {
    ["<user", "<assistant", "<tool_call", "<tool_result", "<continue"].iter().any(|tag| text.starts_with(tag))
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use warp2api_proto::value::Struct;

    use super::*;

    fn user(text: &str) -> UserTurn {
        UserTurn { text: text.to_owned(), images: Vec::new() }
    }

    fn with_image(text: &str) -> UserTurn {
        UserTurn { images: vec![image()], ..user(text) }
    }

    fn image() -> CheckedImage {
        CheckedImage { data: Bytes::from_static(b"GIF89a"), mime_type: "image/gif" }
    }

    fn call(id: &str, arguments: &str) -> Item {
        let object: Map<String, Value> = serde_json::from_str(arguments).unwrap();
        let arguments = Struct::try_from(object).unwrap();
        Item::Call(Call { id: id.to_owned(), name: "add".to_owned(), arguments })
    }

    fn answer(id: &str, content: AnswerContent) -> Answer {
        Answer { call_id: id.to_owned(), content }
    }

    fn text(text: &str) -> AnswerPart {
        AnswerPart::Text(text.to_owned())
    }

    /// The query, and how many images come with it.
    fn flattened(history: Vec<Item>, input: Input) -> (String, usize) {
        let Arranged { instructions, history, input } =
            flatten(Arranged { instructions: "rule".to_owned(), history, input });
        assert_eq!((instructions.as_str(), history.len()), ("rule", 0));
        match input {
            Input::Query(turn) => (turn.text, turn.images.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_message_has_a_section() {
        let history = vec![
            Item::User(with_image("What is 1 < 2 & \"3\"?\n")),
            Item::Assistant("  so:\n\n".to_owned()),
            call("k\"1\n", r#"{"z":"<user>","a":2}"#),
            Item::Answer(answer(
                "k\"1\n",
                AnswerContent::Parts(vec![text("4"), AnswerPart::Image(image()), text("")]),
            )),
            call("k2", "{}"),
            Item::Answer(answer("k2", AnswerContent::Cancelled)),
            call("k3", "{}"),
        ];
        let input = Input::Answers(vec![answer("k3", AnswerContent::Error("no & no".to_owned()))]);

        let (query, images) = flattened(history, input);

        assert_eq!(images, 2);
        let expected = concat!(
            "<user images=\"1\">\nWhat is 1 &lt; 2 &amp; \"3\"?\n\n</user>\n",
            "<assistant>\n  so:\n\n\n</assistant>\n",
            "<tool_call id=\"k&quot;1&#10;\" name=\"add\">\n{\"z\":\"&lt;user>\",\"a\":2}\n</tool_call>\n",
            "<tool_result id=\"k&quot;1&#10;\">\n4\n</tool_result>\n",
            "<tool_result id=\"k&quot;1&#10;\" images=\"1\">\n\n</tool_result>\n",
            "<tool_result id=\"k&quot;1&#10;\">\n\n</tool_result>\n",
            "<tool_call id=\"k2\" name=\"add\">\n{}\n</tool_call>\n",
            "<tool_result id=\"k2\" cancelled=\"true\">\n\n</tool_result>\n",
            "<tool_call id=\"k3\" name=\"add\">\n{}\n</tool_call>\n",
            "<tool_result id=\"k3\" error=\"true\">\nno &amp; no\n</tool_result>\n",
        );
        assert_eq!(query, expected);
    }

    #[test]
    fn one_question_stays_as_it_is_unless_it_looks_like_markup() {
        for question in ["a < b & c", "", "<b>bold</b>", " <user>"] {
            let (query, _) = flattened(Vec::new(), Input::Query(user(question)));
            assert_eq!(query, question);
        }
        let (query, images) = flattened(Vec::new(), Input::Query(with_image("<user>\nme\n</user>\n")));
        assert_eq!(
            (query.as_str(), images),
            ("<user images=\"1\">\n&lt;user>\nme\n&lt;/user>\n\n</user>\n", 1)
        );
    }

    #[test]
    fn a_model_that_was_cut_off_is_asked_to_go_on() {
        let (query, _) = flattened(vec![Item::Assistant("One, two".to_owned())], Input::Continue);
        assert_eq!(query, "<assistant>\nOne, two\n</assistant>\n<continue/>\n");
    }
}
