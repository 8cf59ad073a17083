//! How fast messages are converted, as ratios to what else can be had: the typed messages of prost, the dynamic ones of
//! prost-reflect, and Google's own json_format in Python.
//!
//! `cargo bench -p warp2api-codec` takes the first two. With `-- --python PYTHON`, an interpreter that has `protobuf`,
//! `benches/throughput/json_format.py` converts the same messages, and must come to the same JSON and bytes, or the run
//! fails. All take turns in rounds, so that noise hits all; the best round counts. `-- --quick` only sees that it works.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

#[path = "throughput/corpus.rs"]
mod corpus;
#[path = "throughput/python.rs"]
mod python;
#[path = "throughput/subjects.rs"]
mod subjects;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::corpus::Sample;
use crate::subjects::Subject;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let python = arguments.iter().position(|argument| argument == "--python");
    let python = python.and_then(|place| arguments.get(place + 1));
    let samples = corpus::samples();
    let (rounds, least) = if quick { (1, Duration::ZERO) } else { (20, Duration::from_millis(20)) };
    for sample in &samples {
        println!(
            "{} ({} messages, {} bytes, {} of JSON)",
            sample.name,
            sample.messages.len(),
            sample.bytes(),
            sample.json_bytes()
        );
        report(sample, rounds, least);
    }
    match python.map(|python| python::compare(python, &samples, quick)) {
        Some(Err(error)) => {
            eprintln!("throughput: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints what each subject takes, as a ratio to the fastest way from bytes to a typed message.
fn report(sample: &Sample, rounds: usize, least: Duration) {
    let mut best = vec![Duration::MAX; subjects::ALL.len()];
    for _ in 0..rounds {
        for (subject, best) in subjects::ALL.iter().zip(&mut best) {
            *best = (*best).min(time(subject, sample, least));
        }
    }
    let base = best[0].as_secs_f64();
    for (subject, best) in subjects::ALL.iter().zip(&best) {
        let seconds = best.as_secs_f64();
        println!(
            "  {:<44} {:>7.2} x   {:>6.0} MB/s of bytes",
            subject.name,
            seconds / base,
            sample.bytes() as f64 / seconds / 1e6
        );
    }
}

/// The mean time of one pass over the sample.
fn time(subject: &Subject, sample: &Sample, least: Duration) -> Duration {
    let begin = Instant::now();
    let mut passes = 0;
    loop {
        (subject.pass)(sample);
        passes += 1;
        let taken = begin.elapsed();
        if taken >= least {
            return taken / passes;
        }
    }
}
