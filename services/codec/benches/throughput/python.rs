//! The same messages through Google's json_format, in a process of Python's.

use std::fs;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::corpus::Sample;
use crate::subjects;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/throughput/json_format.py");

/// Prints how much longer json_format takes than this codec.
pub(crate) fn compare(python: &str, samples: &[Sample], quick: bool) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let write = |name: &str, content: &[u8]| {
        fs::write(folder.path().join(name), content).map_err(|error| error.to_string())
    };
    write("descriptors.bin", warp2api_proto::FILE_DESCRIPTOR_SET)?;
    let exported: Vec<_> = samples.iter().map(export).collect();
    write("samples.json", json!(exported).to_string().as_bytes())?;

    let seconds = if quick { "0" } else { "2" };
    let output = Command::new(python).arg(SCRIPT).arg(folder.path()).arg(seconds).output();
    let output = output.map_err(|error| format!("{python} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("json_format.py failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let theirs: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    println!("json_format {} takes, with the same result:", theirs["version"].as_str().unwrap_or_default());
    let least = if quick { Duration::ZERO } else { Duration::from_millis(200) };
    for (sample, theirs) in samples.iter().zip(theirs["samples"].as_array().into_iter().flatten()) {
        let ratio = |ours: usize, direction: &str| {
            let ours = crate::time(&subjects::ALL[ours], sample, least).as_secs_f64();
            theirs[direction].as_f64().unwrap_or_default() / ours
        };
        println!(
            "  {:<40} {:>6.0} x our time to JSON, {:>6.0} x to bytes",
            sample.name,
            ratio(1, "to_json"),
            ratio(2, "to_bytes")
        );
    }
    Ok(())
}

fn export(sample: &Sample) -> Value {
    let messages = sample.messages.iter();
    let messages: Vec<_> = messages
        .map(|message| json!({"data": STANDARD.encode(&message.data), "json": message.json}))
        .collect();
    json!({"type": sample.message_type().full_name(), "messages": messages})
}
