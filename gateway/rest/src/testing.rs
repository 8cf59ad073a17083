//! A contract of its own for tests, with fields of every kind.

use std::collections::HashMap;

use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

const PROTO: &str = r#"
syntax = "proto3";
package test.v1;
import "google/api/annotations.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
service S { METHODS }
message A {
  string text = 1;
  repeated string texts = 2;
  Inner inner = 3;
  repeated Inner inners = 4;
  Colour colour = 5;
  repeated Colour colours = 6;
  int32 i32 = 7;
  uint64 u64 = 8;
  sint64 s64 = 9;
  fixed32 f32 = 10;
  float real = 11;
  double precise = 12;
  bool flag = 13;
  bytes data = 14;
  google.protobuf.Timestamp at_time = 15;
  google.protobuf.Duration max_wait = 16;
  google.protobuf.FieldMask update_mask = 17;
  google.protobuf.Int32Value wrapped = 18;
  google.protobuf.Struct structure = 19;
  map<string, string> labels = 20;
  oneof choice { string one = 21; string other = 22; }
  optional int32 maybe = 23;
  repeated int32 numbers = 24;
}
message Inner { string text = 1; Inner inner = 2; string long_name = 3; }
enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; COLOUR_BLUE = 2; }
"#;

/// The pool of that contract, its service with these methods.
pub(crate) fn pool(methods: &str) -> DescriptorPool {
    let mut files = HashMap::from([("test.proto", PROTO.replace("METHODS", methods))]);
    for (name, text) in [
        ("google/api/annotations.proto", include_str!("../../../proto/google/api/annotations.proto")),
        ("google/api/http.proto", include_str!("../../../proto/google/api/http.proto")),
    ] {
        files.insert(name, text.to_owned());
    }
    let mut resolver = ChainFileResolver::new();
    resolver.add(Written(files));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("test.proto").expect("the contract of the tests is one");
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("it was made for this")
}

struct Written(HashMap<&'static str, String>);

impl FileResolver for Written {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}
