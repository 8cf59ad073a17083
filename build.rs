//! Compiles `proto/**/*.proto` with protox, so that no protoc is needed, writes the descriptor set and generates the
//! contract.
//!
//! Two passes: the upstream's schema as plain messages, then our own packages, in which the two upstream messages
//! that pass through a method of ours stay opaque bytes (prost would drop the fields it does not know).

use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use prost::Message as _;
use prost_types::source_code_info::Location;
use prost_types::{FileDescriptorProto, FileDescriptorSet, SourceCodeInfo};

const ROOT: &str = "proto";
/// JSON values keep the order of their keys, which prost's own map type does not.
const ORDERED_JSON: [(&str, &str); 4] = [
    (".google.protobuf.Struct", "crate::value::Struct"),
    (".google.protobuf.Value", "crate::value::Value"),
    (".google.protobuf.ListValue", "crate::value::ListValue"),
    (".google.protobuf.NullValue", "i32"),
];

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "cargo tells build scripts where to write by environment")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let files = proto_files(Path::new(ROOT))?;
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_source_info(true).include_imports(true).open_files(&files)?;
    let all = FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())?;
    fs::write(out.join("comments.bin"), comments(&all).encode_to_vec())?;

    // The encoded set keeps option values such as `google.api.http`; the decoded one has lost them. Without comments it
    // takes a third of the memory.
    compiler.include_source_info(false);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    let without_ours = FileDescriptorSet {
        file: all.file.iter().filter(|f| !f.package().starts_with("warp2api.")).cloned().collect(),
    };
    generate(&out.join("upstream"), without_ours, &[(".google.api", "crate::google::api")])?;

    let upstream_elsewhere = [
        (".google.api", "crate::google::api"),
        (".warp.multi_agent.v1", "crate::warp::multi_agent::v1"),
        (".warp.multi_agent.v1.Request", "crate::opaque::Request"),
        (".warp.multi_agent.v1.ResponseEvent", "crate::opaque::ResponseEvent"),
    ];
    generate(&out.join("ours"), all, &upstream_elsewhere)
}

/// Of all files only what is written before elements.
fn comments(all: &FileDescriptorSet) -> FileDescriptorSet {
    let commented = |file: &FileDescriptorProto| {
        let info = file.source_code_info.clone().unwrap_or_default();
        let before = info.location.into_iter().filter(|location| location.leading_comments.is_some());
        let location = before.map(|Location { path, leading_comments, .. }| Location {
            path,
            leading_comments,
            ..Location::default()
        });
        FileDescriptorProto {
            name: file.name.clone(),
            source_code_info: Some(SourceCodeInfo { location: location.collect() }),
            ..FileDescriptorProto::default()
        }
    };
    FileDescriptorSet { file: all.file.iter().map(commented).collect() }
}

fn generate(
    out: &Path,
    files: FileDescriptorSet,
    extern_paths: &[(&str, &str)],
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(out)?;
    let mut builder = tonic_prost_build::configure()
        .out_dir(out)
        .bytes(".")
        .codec_path("crate::framing::SmallBuffers")
        .skip_debug(["warp2api.token_pool.v1.Lease", "warp2api.token_pool.v1.Credential"])
        .emit_rerun_if_changed(false);
    for (proto, rust) in ORDERED_JSON.iter().chain(extern_paths) {
        builder = builder.extern_path(*proto, *rust);
    }
    builder.compile_fds(files)?;
    Ok(())
}

/// Every proto file below `folder`, in a stable order; tells cargo to watch the files and the folders.
fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut found = Vec::new();
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            found.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|e| e == "proto") {
            println!("cargo:rerun-if-changed={}", path.display());
            found.push(path);
        }
    }
    Ok(found)
}
