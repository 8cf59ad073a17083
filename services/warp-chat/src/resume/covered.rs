//! What of a caller's conversation a kept one stands for, as digests; and what is new when the caller comes back.
//!
//! Calls and what was said are one list, results of calls another: a call is in the conversation before its result is,
//! so only both apart grow at their ends. Instructions do not count: they go along on every turn. Keys of arguments may
//! come in any order.

use sha2::{Digest as _, Sha256};
use warp2api_proto::value::{Kind, Struct, Value};

use crate::arrange::{Arranged, Input};
use crate::conversation::{Answer, AnswerContent, AnswerPart, Call, Item, UserTurn};
use crate::image::CheckedImage;

type Digest = [u8; 32];

/// A conversation, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outline {
    said: Vec<Digest>,
    answers: Vec<Digest>,
}

/// A whole conversation in little space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Covered {
    said: (usize, Digest),
    answers: (usize, Digest),
}

/// What is new in a turn that goes on.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct News {
    /// The results of the calls that were open.
    pub(crate) answers: Vec<Answer>,
    /// What the person says now.
    pub(crate) query: Option<UserTurn>,
}

impl Outline {
    /// The outline of a conversation, new things included.
    pub(crate) fn of(arranged: &Arranged) -> Self {
        let mut outline = Self::default();
        for item in &arranged.history {
            match item {
                Item::Answer(answer) => outline.answers.push(answer_digest(answer)),
                said => outline.say(said),
            }
        }
        match &arranged.input {
            Input::Query(turn) => outline.said.push(user_digest(turn)),
            Input::Answers(answers) => outline.answers.extend(answers.iter().map(answer_digest)),
            Input::Continue => {}
        }
        outline
    }

    /// Adds what the model said or called.
    pub(crate) fn say(&mut self, item: &Item) {
        self.said.push(match item {
            Item::User(turn) => user_digest(turn),
            Item::Assistant(text) => digest(b'a', |d| write(d, text.as_bytes())),
            Item::Call(call) => call_digest(call),
            Item::Answer(answer) => answer_digest(answer),
        });
    }

    pub(crate) fn covered(&self) -> Covered {
        Covered {
            said: (self.said.len(), chain(&self.said)),
            answers: (self.answers.len(), chain(&self.answers)),
        }
    }
}

impl Covered {
    /// What `arranged`, of which `outline` is the outline, adds to this conversation; `None` if it is another one, or
    /// adds something that is not only new input.
    pub(crate) fn news(&self, outline: &Outline, arranged: &Arranged) -> Option<News> {
        let said = rest(&outline.said, self.said)?;
        let answers = rest(&outline.answers, self.answers)?.len();
        let history = arranged.history.iter().filter_map(|item| match item {
            Item::Answer(answer) => Some(answer),
            _ => None,
        });
        let (given, query) = match &arranged.input {
            Input::Query(turn) => (&[][..], Some(turn.clone())),
            Input::Answers(answers) => (&answers[..], None),
            Input::Continue => (&[][..], None),
        };
        if said.len() != usize::from(query.is_some()) {
            return None;
        }
        let all: Vec<_> = history.chain(given).collect();
        let new = all[all.len() - answers..].iter().map(|answer| (*answer).clone());
        Some(News { answers: new.collect(), query })
    }
}

/// What comes after the first pieces, if they are those that are covered.
fn rest(pieces: &[Digest], (count, expected): (usize, Digest)) -> Option<&[Digest]> {
    let (start, rest) = pieces.split_at_checked(count)?;
    (chain(start) == expected).then_some(rest)
}

fn chain(pieces: &[Digest]) -> Digest {
    let mut chained = Sha256::new();
    for piece in pieces {
        chained.update(piece);
    }
    chained.finalize().into()
}

fn digest(kind: u8, content: impl FnOnce(&mut Sha256)) -> Digest {
    let mut digest = Sha256::new();
    digest.update([kind]);
    content(&mut digest);
    digest.finalize().into()
}

/// With its length, so that no two lists of pieces look the same.
fn write(digest: &mut Sha256, bytes: &[u8]) {
    digest.update((bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
}

fn user_digest(turn: &UserTurn) -> Digest {
    digest(b'u', |d| {
        write(d, turn.text.as_bytes());
        turn.images.iter().for_each(|image| write_image(d, image));
    })
}

fn call_digest(Call { id, name, arguments }: &Call) -> Digest {
    digest(b'c', |d| {
        write(d, id.as_bytes());
        write(d, name.as_bytes());
        write_object(d, arguments);
    })
}

fn answer_digest(Answer { call_id, content }: &Answer) -> Digest {
    digest(b'r', |d| {
        write(d, call_id.as_bytes());
        match content {
            AnswerContent::Parts(parts) => {
                for part in parts {
                    match part {
                        AnswerPart::Text(text) => {
                            d.update(b"t");
                            write(d, text.as_bytes());
                        }
                        AnswerPart::Image(image) => {
                            d.update(b"i");
                            write_image(d, image);
                        }
                    }
                }
            }
            AnswerContent::Error(text) => {
                d.update(b"e");
                write(d, text.as_bytes());
            }
            AnswerContent::Cancelled => d.update(b"x"),
        }
    })
}

fn write_image(digest: &mut Sha256, image: &CheckedImage) {
    write(digest, image.mime_type.as_bytes());
    write(digest, &image.data);
}

fn write_object(digest: &mut Sha256, object: &Struct) {
    let mut fields: Vec<_> = object.fields.iter().collect();
    fields.sort_by(|a, b| a.key.cmp(&b.key));
    digest.update(b"{");
    digest.update((fields.len() as u64).to_le_bytes());
    for field in fields {
        write(digest, field.key.as_bytes());
        write_value(digest, field.value.as_ref());
    }
}

/// As deep as the parser lets values be.
fn write_value(digest: &mut Sha256, value: Option<&Value>) {
    match value.and_then(|value| value.kind.as_ref()) {
        None | Some(Kind::Null(_)) => digest.update(b"n"),
        Some(Kind::Number(number)) => {
            digest.update(b"d");
            digest.update(number.to_bits().to_le_bytes());
        }
        Some(Kind::String(text)) => {
            digest.update(b"s");
            write(digest, text.as_bytes());
        }
        Some(Kind::Bool(flag)) => digest.update([b'b', u8::from(*flag)]),
        Some(Kind::Struct(object)) => write_object(digest, object),
        Some(Kind::List(list)) => {
            digest.update(b"[");
            digest.update((list.values.len() as u64).to_le_bytes());
            for value in &list.values {
                write_value(digest, Some(value));
            }
        }
    }
}

#[cfg(test)]
mod tests;
