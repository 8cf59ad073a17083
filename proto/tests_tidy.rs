//! The style of our own packages, over the descriptors: what `buf lint` would say, where there is no buf.

use prost_reflect::{DescriptorPool, EnumDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor};
use prost_types::FileDescriptorProto;

const OURS: &str = "warp2api.";

#[test]
fn the_zero_of_an_enum_means_unspecified_and_values_carry_the_name() {
    let enums: Vec<_> = pool().all_enums().filter(|e| e.package_name().starts_with(OURS)).collect();
    assert!(!enums.is_empty());
    for enumeration in enums {
        let prefix = screaming(enumeration.name());
        let zero = enumeration.get_value(0).unwrap();
        assert_eq!(zero.name(), format!("{prefix}_UNSPECIFIED"), "{}", enumeration.full_name());
        for value in enumeration.values() {
            assert!(value.name().starts_with(&format!("{prefix}_")), "{}", value.full_name());
        }
    }
}

#[test]
fn everything_has_a_comment() {
    let mut silent = Vec::new();
    for file in our_files() {
        for (name, path) in commented(&file) {
            if !has_comment(file.file_descriptor_proto(), &path) {
                silent.push(name);
            }
        }
    }
    assert!(silent.is_empty(), "without a comment: {silent:#?}");
}

#[test]
fn a_method_has_a_request_and_a_response_of_its_own_name() {
    for method in our_methods() {
        let (input, output) = (method.input(), method.output());
        // The upstream's own protocol, passed through whole.
        if input.package_name() == output.package_name() && !input.package_name().starts_with(OURS) {
            continue;
        }
        let names = [input.full_name().to_owned(), output.full_name().to_owned()];
        let expected =
            ["Request", "Response"].map(|end| format!("{}.{}{end}", package(&method), method.name()));
        assert_eq!(names, expected, "{}", method.full_name());
    }
}

/// What has no REST route says so where it is described, for `no REST route` is what a reader looks for.
#[test]
fn a_method_has_a_rest_route_or_says_why_not() {
    let http = pool().get_extension_by_name("google.api.http").unwrap();
    for method in our_methods() {
        let file = method.parent_file();
        let comment = crate::descriptors::comment(file.name(), method.path());
        let words: Vec<_> = comment.split_whitespace().collect();
        let without = words.join(" ").contains("no REST route");
        assert_ne!(method.options().has_extension(&http), without, "{}", method.full_name());
    }
}

#[test]
fn a_package_is_its_directory_and_ends_in_its_version() {
    let files = our_files();
    assert!(files.len() >= 4);
    for file in files {
        let (directory, _) = file.name().rsplit_once('/').unwrap();
        let (_, version) = file.package_name().rsplit_once('.').unwrap();
        assert_eq!(directory.replace('/', "."), file.package_name(), "{}", file.name());
        let number = version.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
        assert!(number.is_some_and(|number| number > 0), "{}", file.package_name());
        assert_eq!(file.file_descriptor_proto().syntax(), "proto3", "{}", file.name());
    }
}

/// Every element that must have a comment, with its path in the source information.
fn commented(file: &FileDescriptor) -> Vec<(String, Vec<i32>)> {
    let mut found = Vec::new();
    file.messages().for_each(|message| of_message(&message, &mut found));
    file.enums().for_each(|enumeration| of_enum(&enumeration, &mut found));
    for service in file.services() {
        found.push((service.full_name().to_owned(), service.path().to_vec()));
        found.extend(service.methods().map(|method| (method.full_name().to_owned(), method.path().to_vec())));
    }
    found
}

fn of_message(message: &MessageDescriptor, found: &mut Vec<(String, Vec<i32>)>) {
    if message.is_map_entry() {
        return;
    }
    found.push((message.full_name().to_owned(), message.path().to_vec()));
    found.extend(message.fields().map(|field| (field.full_name().to_owned(), field.path().to_vec())));
    let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    found.extend(oneofs.map(|oneof| (oneof.full_name().to_owned(), oneof.path().to_vec())));
    message.child_enums().for_each(|enumeration| of_enum(&enumeration, found));
    message.child_messages().for_each(|child| of_message(&child, found));
}

fn of_enum(enumeration: &EnumDescriptor, found: &mut Vec<(String, Vec<i32>)>) {
    found.push((enumeration.full_name().to_owned(), enumeration.path().to_vec()));
    found.extend(enumeration.values().map(|value| (value.full_name().to_owned(), value.path().to_vec())));
}

fn has_comment(file: &FileDescriptorProto, path: &[i32]) -> bool {
    !crate::descriptors::comment(file.name(), path).trim().is_empty()
}

fn our_methods() -> Vec<MethodDescriptor> {
    let files = our_files();
    let services = files.iter().flat_map(|file| file.services().collect::<Vec<_>>());
    let methods: Vec<_> = services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    assert!(!methods.is_empty());
    methods
}

fn our_files() -> Vec<FileDescriptor> {
    pool().files().filter(|file| file.package_name().starts_with(OURS)).collect()
}

fn package(method: &MethodDescriptor) -> String {
    method.parent_service().package_name().to_owned()
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).unwrap()
}

/// `FieldNaming` as `FIELD_NAMING`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.chars().enumerate() {
        if index > 0 && letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}
