//! A query that holds a whole conversation as text: sections, one after the other, nothing between them.
//!
//! ```text
//! <user>
//! What is 2+2?
//! </user>
//! <tool_call id="k1" name="add">
//! {"a":2,"b":2}
//! </tool_call>
//! <tool_result id="k1">
//! 4
//! </tool_result>
//! ```
//!
//! Texts are escaped, so that `<` is always markup. A query that is not made of sections to its last byte is one the
//! user wrote.

use crate::results::Said;

/// A section of a query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// The user's text.
    User(String),
    /// Text of the agent.
    Assistant(String),
    /// A call of a tool.
    Call {
        /// The id of the call.
        id: String,
        /// The name of the tool.
        name: String,
    },
    /// What a tool answered, all of it: sections of one result that follow each other are one.
    Result {
        /// The id of the call.
        call_id: String,
        /// What it says.
        said: Said,
    },
    /// The agent is to go on.
    Continue,
}

/// The sections of `query`, if it is made of sections.
pub(crate) fn read(query: &str) -> Option<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    let mut rest = query;
    while !rest.is_empty() {
        let section;
        (section, rest) = next(rest)?;
        match (sections.last_mut(), section) {
            (
                Some(Section::Result { call_id: last, said: Said::Text(text) }),
                Section::Result { call_id, said: Said::Text(more) },
            ) if *last == call_id => {
                text.push('\n');
                text.push_str(&more);
            }
            (_, section) => sections.push(section),
        }
    }
    (!sections.is_empty()).then_some(sections)
}

/// The first section and what comes after it.
fn next(text: &str) -> Option<(Section, &str)> {
    if let Some(rest) = text.strip_prefix("<continue/>\n") {
        return Some((Section::Continue, rest));
    }
    let (name, rest) = name(text.strip_prefix('<')?);
    let (attributes, rest) = attributes(rest)?;
    // Nothing but the end of the section may begin with this.
    let (content, rest) = rest.split_once('<')?;
    let content = unescaped(content.strip_suffix('\n')?)?;
    let rest = rest.strip_prefix('/')?.strip_prefix(name)?.strip_prefix(">\n")?;
    Some((section(name, &attributes, content)?, rest))
}

type Attributes<'a> = Vec<(&'a str, String)>;

fn section(name: &str, attributes: &Attributes<'_>, content: String) -> Option<Section> {
    let attribute =
        |wanted| attributes.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
    Some(match name {
        "user" => Section::User(content),
        "assistant" => Section::Assistant(content),
        "tool_call" => Section::Call { id: attribute("id")?, name: attribute("name")? },
        "tool_result" => {
            let said = if attribute("cancelled").is_some() {
                Said::Cancelled
            } else if attribute("error").is_some() {
                Said::Error(content)
            } else if attribute("images").is_some() {
                Said::Text("(an image)".to_owned())
            } else {
                Said::Text(content)
            };
            Section::Result { call_id: attribute("id")?, said }
        }
        _ => return None,
    })
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// Attributes, each after a space, up to the end of the line.
fn attributes(mut text: &str) -> Option<(Attributes<'_>, &str)> {
    let mut attributes = Vec::new();
    while let Some(rest) = text.strip_prefix(' ') {
        let (key, rest) = name(rest);
        let (value, rest) = rest.strip_prefix("=\"")?.split_once('"')?;
        attributes.push((key, unescaped(value)?));
        text = rest;
    }
    Some((attributes, text.strip_prefix(">\n")?))
}

fn unescaped(text: &str) -> Option<String> {
    const ENTITIES: [(&str, char); 4] = [("amp;", '&'), ("lt;", '<'), ("quot;", '"'), ("#10;", '\n')];
    let mut pieces = text.split('&');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = ENTITIES
            .into_iter()
            .find_map(|(entity, character)| Some((character, piece.strip_prefix(entity)?)))?;
        plain.push(character);
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(text: &str) -> Section {
        Section::User(text.to_owned())
    }

    fn result(call_id: &str, said: Said) -> Section {
        Section::Result { call_id: call_id.to_owned(), said }
    }

    fn said(text: &str) -> Said {
        Said::Text(text.to_owned())
    }

    #[test]
    fn every_section_is_read_to_the_byte() {
        let call = Section::Call { id: "a\"b\n".into(), name: "add>".into() };
        for (query, expected) in [
            ("<user>\nhello\n</user>\n", vec![user("hello")]),
            ("<user>\n\n</user>\n", vec![user("")]),
            ("<user>\n\n\n \r\n\n</user>\n", vec![user("\n\n \r\n")]),
            ("<user images=\"2\">\na &lt;b> &amp;lt; \"c\"\n</user>\n", vec![user("a <b> &lt; \"c\"")]),
            (
                "<assistant>\nso\n</assistant>\n<continue/>\n",
                vec![Section::Assistant("so".into()), Section::Continue],
            ),
            ("<tool_call id=\"a&quot;b&#10;\" name=\"add>\">\n{}\n</tool_call>\n", vec![call]),
            ("<tool_result id=\"a\">\n4\n</tool_result>\n", vec![result("a", said("4"))]),
            (
                "<tool_result id=\"a\">\n4\n</tool_result>\n<tool_result id=\"a\" images=\"1\">\n\n</tool_result>\n",
                vec![result("a", said("4\n(an image)"))],
            ),
            (
                "<tool_result id=\"a\">\n4\n</tool_result>\n<tool_result id=\"b\">\n5\n</tool_result>\n",
                vec![result("a", said("4")), result("b", said("5"))],
            ),
            (
                "<tool_result id=\"a\" error=\"true\">\nno\n</tool_result>\n",
                vec![result("a", Said::Error("no".into()))],
            ),
            (
                "<tool_result id=\"a\" cancelled=\"true\">\n\n</tool_result>\n",
                vec![result("a", Said::Cancelled)],
            ),
        ] {
            assert_eq!(read(query), Some(expected), "{query}");
        }
    }

    #[test]
    fn what_a_user_wrote_is_left_as_it_is() {
        for query in [
            "",
            "hello",
            "<user>",
            "<user>\nhello\n</user>",
            " <user>\nhello\n</user>\n",
            "<user>\nhello\n</user>\nand more",
            "<user>\na <b> c\n</user>\n",
            "<user>\na & b\n</user>\n",
            "<user>\nhello\n</assistant>\n",
            "<user>hello</user>\n",
            "<system>\nhello\n</system>\n",
            "<tool_call>\n{}\n</tool_call>\n",
            "<user images=2>\nhello\n</user>\n",
        ] {
            assert_eq!(read(query), None, "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "([a<>&\"\n;]|&lt;|</user>\n|.){0,20}") {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;");

            prop_assert_eq!(read(&format!("<user>\n{escaped}\n</user>\n")), Some(vec![user(&text)]));
            read(&text);
        }
    }
}
