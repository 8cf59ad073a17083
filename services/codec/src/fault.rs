//! A problem on its way out of a conversion. Each level it passes adds its field, so that the way in costs nothing.

use crate::error::{Malformed, Position, Problem};

/// A problem at an offset of the input, with the fields around it, innermost first.
#[derive(Debug)]
pub(crate) struct Fault(Box<Inner>);

/// In a box: what can fail mostly does not, and then carries only the place of a pointer.
#[derive(Debug)]
struct Inner {
    problem: Problem,
    at: usize,
    around: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Field(String),
    Item(usize),
}

impl Fault {
    pub(crate) fn new(problem: Problem, at: usize) -> Self {
        Self(Box::new(Inner { problem, at, around: Vec::new() }))
    }

    /// The problem is in the field of that name.
    pub(crate) fn in_field(mut self, name: impl Into<String>) -> Self {
        self.0.around.push(Segment::Field(name.into()));
        self
    }

    /// The problem is in that item of the list or map.
    pub(crate) fn in_item(mut self, index: usize) -> Self {
        self.0.around.push(Segment::Item(index));
        self
    }

    /// The problem is in bytes that are themselves at `at`.
    pub(crate) fn moved_to(mut self, at: usize) -> Self {
        self.0.at = at;
        self
    }

    /// The fault in the bytes of a message.
    pub(crate) fn in_bytes(self) -> Malformed {
        let position = Position::Byte(self.0.at);
        self.malformed(position)
    }

    /// The fault in a text.
    pub(crate) fn in_text(self, text: &str) -> Malformed {
        let before = text.get(..self.0.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.bytes().filter(|&byte| byte == b'\n').count();
        let column = 1 + before[line_start..].chars().count();
        self.malformed(Position::Text { line, column })
    }

    fn malformed(self, position: Position) -> Malformed {
        let mut path = String::new();
        for segment in self.0.around.iter().rev() {
            match segment {
                Segment::Field(name) => {
                    let dot = if path.is_empty() { "" } else { "." };
                    path.push_str(dot);
                    path.push_str(name);
                }
                Segment::Item(index) => path.push_str(&format!("[{index}]")),
            }
        }
        Malformed { path, position, problem: self.0.problem }
    }
}
