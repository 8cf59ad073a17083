//! The contract describing itself, decoded once for the whole process, and its comments apart, for those who ask: with
//! them it takes three times as much.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorSet;

/// The comments of every file in `proto/`, by file and path.
type Comments = HashMap<String, HashMap<Vec<i32>, String>>;

/// The descriptors of every file in `proto/`, options and extensions included, comments not: see [`comment`].
pub fn pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).expect("the contract's own build made them")
    });
    &POOL
}

/// What is written before an element of a file, without the marks of a comment; empty if nothing is. `path` is that of
/// `google.protobuf.SourceCodeInfo`, as descriptors tell it.
pub fn comment(file: &str, path: &[i32]) -> &'static str {
    static COMMENTS: LazyLock<Comments> = LazyLock::new(|| {
        let bytes: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/comments.bin"));
        let set = FileDescriptorSet::decode(bytes).expect("the contract's own build made them");
        let of_file = set.file.into_iter().map(|file| {
            let locations = file.source_code_info.unwrap_or_default().location.into_iter();
            let comments = locations.map(|location| {
                let text = plain(location.leading_comments());
                (location.path, text)
            });
            (file.name.unwrap_or_default(), comments.collect())
        });
        of_file.collect()
    });
    COMMENTS.get(file).and_then(|comments| comments.get(path)).map_or("", String::as_str)
}

/// A comment without what makes it one.
fn plain(comment: &str) -> String {
    let lines: Vec<_> =
        comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_beside_the_descriptors_not_in_them() {
        let method = pool().get_service_by_name("warp2api.codec.v1.Codec").unwrap().methods().next().unwrap();
        let file = method.parent_file();

        assert!(file.file_descriptor_proto().source_code_info.is_none(), "it is kept twice for each file");
        assert!(!comment(file.name(), method.path()).is_empty());
        assert_eq!(comment(file.name(), &[99]), "");
        assert_eq!(comment("nowhere.proto", method.path()), "");
    }

    #[test]
    fn a_comment_has_no_marks() {
        assert_eq!(plain(" One\n two.  \n\n  - three\n"), "One\ntwo.\n\n - three");
        assert_eq!(plain(""), "");
    }
}
