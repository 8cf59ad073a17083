//! The results as a table for people and as JSON for programs. Every cost stands beside its ratio to the floor.

use std::time::Duration;

use serde_json::{Value, json};

use crate::measure::{Measured, median, percentile, ratio};
use crate::subject::{TRACED, UNTRACED};

/// Results with the floor's under the same load.
fn with_floor(results: &[Measured]) -> impl Iterator<Item = (&Measured, &Measured)> {
    results.iter().filter_map(|result| {
        let same_load = |other: &&Measured| other.load == result.load && other.at_once == result.at_once;
        Some((result, results.iter().find(same_load)?))
    })
}

/// How much CPU traces cost under each load: the traced house's to the untraced one's, round by round.
fn traced(results: &[Measured]) -> impl Iterator<Item = (&Measured, Option<f64>)> {
    results.iter().filter(|result| result.name == TRACED).filter_map(|traced| {
        let same_load = |other: &&Measured| other.load == traced.load && other.at_once == traced.at_once;
        let untraced = results.iter().filter(same_load).find(|other| other.name == UNTRACED)?;
        Some((traced, ratio(&traced.cpu, &untraced.cpu)))
    })
}

/// The table.
pub(crate) fn text(results: &[Measured]) -> String {
    let mut text = String::new();
    let mut load = None;
    for (result, floor) in with_floor(results) {
        if load != Some(result.load) {
            load = Some(result.load);
            line(&mut text, &["", result.load.title()]);
            line(&mut text, &HEAD);
        }
        let at_once = if result.name == floor.name { result.at_once.to_string() } else { String::new() };
        if let Some(failure) = result.failures.first() {
            let void = format!("VOID, {} replies were not whole: {failure}", result.failures.len());
            line(&mut text, &[&at_once, result.name, &void]);
            continue;
        }
        let cpu = median(result.cpu.iter().copied());
        let cpu_ratio = ratio(&result.cpu, &floor.cpu);
        let memory = result.memory.map(|memory| memory.peak as f64 / 1e6);
        let memory_ratio = memory.zip(floor.memory).map(|(ours, floor)| ours * 1e6 / floor.peak as f64);
        let cells = [
            at_once,
            result.name.to_owned(),
            number(cpu.map(|cpu| cpu * 1e6)),
            number(cpu.map(|cpu| cpu * 1e6 / result.chunks())),
            times(cpu_ratio),
            milliseconds(percentile(&result.first_chunk, 50)),
            milliseconds(percentile(&result.first_chunk, 99)),
            milliseconds(percentile(&result.longest_gap, 50)),
            milliseconds(percentile(&result.longest_gap, 100)),
            number(median(result.rate.iter().copied())),
            times(ratio(&result.rate, &floor.rate)),
            number(memory),
            times(memory_ratio),
            number(result.left.map(|left| left as f64 / 1e6)),
        ];
        line(&mut text, &cells.each_ref().map(String::as_str));
    }
    if results.iter().any(|result| result.cpu.is_empty()) {
        text.push_str("\nCPU and memory are not measured on this system.\n");
    }
    let ratios = traced(results).map(|(traced, ratio)| {
        let (load, at_once) = (traced.load.title(), traced.at_once);
        format!("CPU of traced to untraced, {load}, {at_once} at once: {}\n", times(ratio))
    });
    let ratios: String = ratios.collect();
    if !ratios.is_empty() {
        text.push_str(&format!("\n{ratios}Spans are sent every 100 ms, within the rounds.\n"));
    }
    text.push_str(NOTES);
    text
}

const HEAD: [&str; 14] = [
    "at once",
    "",
    "CPU us/request",
    "us/chunk",
    "ratio",
    "1st chunk p50 ms",
    "p99",
    "gap p50",
    "max",
    "chunks/s",
    "ratio",
    "peak MB",
    "ratio",
    "left",
];

const NOTES: &str = "
Ratios are to the floor: a bridge of one process without gRPC, pool and checks. CPU and memory are those of all
processes that a chat goes through, memory at its peak and as it is left without connections. The first chunk is the
first one with text; the gap is the longest silence within a reply after its first byte, max that of the worst reply.
CPU and rates are medians of the rounds. Every reply was checked whole.
";

/// One line, each cell as wide as its column.
fn line(text: &mut String, cells: &[&str]) {
    for (index, cell) in cells.iter().enumerate() {
        let width = HEAD[index].len().max(7);
        text.push_str(&match index {
            0 => format!("{cell:>width$}  "),
            1 => format!("{cell:<14}"),
            _ => format!("  {cell:>width$}"),
        });
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 100.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.0}"),
    }
}

fn times(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}x"))
}

fn milliseconds(value: Option<Duration>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:.2}", value.as_secs_f64() * 1e3))
}

/// Everything as JSON: one object for each subject and load.
pub(crate) fn json(results: &[Measured]) -> Value {
    let seconds = |value: Option<Duration>| value.map(|value| value.as_secs_f64());
    let one = |(result, floor): (&Measured, &Measured)| {
        let cpu = median(result.cpu.iter().copied());
        json!({
            "name": result.name,
            "load": result.load.to_string(),
            "at_once": result.at_once,
            "replies": result.replies,
            "failures": result.failures,
            "cpu_seconds_per_request": cpu,
            "cpu_seconds_per_chunk": cpu.map(|cpu| cpu / result.chunks()),
            "cpu_ratio": ratio(&result.cpu, &floor.cpu),
            "cpu_ratio_to_untraced": traced(results).find(|(traced, _)| std::ptr::eq(*traced, result)).map(|(_, ratio)| ratio),
            "first_chunk_seconds_p50": seconds(percentile(&result.first_chunk, 50)),
            "first_chunk_seconds_p99": seconds(percentile(&result.first_chunk, 99)),
            "longest_gap_seconds_p50": seconds(percentile(&result.longest_gap, 50)),
            "longest_gap_seconds_max": seconds(percentile(&result.longest_gap, 100)),
            "chunks_per_second": median(result.rate.iter().copied()),
            "chunks_per_second_ratio": ratio(&result.rate, &floor.rate),
            "resident_bytes": result.memory.map(|memory| memory.resident),
            "peak_bytes": result.memory.map(|memory| memory.peak),
            "left_bytes": result.left,
        })
    };
    with_floor(results).map(one).collect()
}
