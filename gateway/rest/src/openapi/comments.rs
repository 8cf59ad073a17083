//! What the contract says about its elements: the comments before them.

use prost_reflect::{
    EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};
use warp2api_proto::descriptors::comment;

/// Something that has a comment.
pub(super) trait Commented {
    fn file(&self) -> FileDescriptor;
    fn place(&self) -> &[i32];
}

macro_rules! commented {
    ($($kind:ty: $file:expr),*) => {$(
        impl Commented for $kind {
            fn file(&self) -> FileDescriptor {
                let file: fn(&Self) -> FileDescriptor = $file;
                file(self)
            }

            fn place(&self) -> &[i32] {
                self.path()
            }
        }
    )*};
}

commented!(
    ServiceDescriptor: |it| it.parent_file(),
    MethodDescriptor: |it| it.parent_service().parent_file(),
    MessageDescriptor: |it| it.parent_file(),
    FieldDescriptor: |it| it.parent_message().parent_file(),
    EnumValueDescriptor: |it| it.parent_enum().parent_file()
);

/// The comment before an element as Markdown, lines of a paragraph joined. Empty if there is none.
pub(super) fn of(element: &impl Commented) -> String {
    paragraphs(comment(element.file().name(), element.place()))
}

/// The first sentence of a description.
pub(super) fn summary(text: &str) -> &str {
    let first = text.split("\n\n").next().unwrap_or_default();
    let end = first.find(". ").unwrap_or(first.len());
    first[..end].trim_end_matches('.')
}

fn paragraphs(comment: &str) -> String {
    let mut out = String::new();
    let mut gap = "";
    for line in comment.lines().map(str::trim) {
        if line.is_empty() {
            gap = "\n\n";
            continue;
        }
        // Items of a list keep their lines.
        let own_line = line.starts_with("- ") && gap == " ";
        out.push_str(if own_line { "\n" } else { gap });
        out.push_str(line);
        gap = " ";
    }
    if out.starts_with("\n\n") { out.trim_start().to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_paragraph_are_joined() {
        assert_eq!(
            paragraphs(" One\n two.\n\n Three:\n - a\n   b\n - c\n"),
            "One two.\n\nThree:\n- a b\n- c"
        );
        assert_eq!(paragraphs(""), "");
        assert_eq!(summary("Does v1.2 things. And more.\n\nElse."), "Does v1.2 things");
        assert_eq!(summary("Does it."), "Does it");
    }
}
