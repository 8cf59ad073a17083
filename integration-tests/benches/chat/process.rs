//! CPU time and memory of another process, as Linux tells them. Elsewhere nothing is told, and the table says so.

use std::iter::Sum;
use std::time::Duration;

/// The memory of a process in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// What it has now.
    pub(crate) resident: u64,
    /// The most it had since [`forget_peak`].
    pub(crate) peak: u64,
}

impl Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            resident: sum.resident + one.resident,
            peak: sum.peak + one.peak,
        })
    }
}

/// The CPU time a process has used, in user and in system mode.
pub(crate) fn cpu(process: u32) -> Option<Duration> {
    by_thread(process).or_else(|| by_ticks(process))
}

/// Exact to the nanosecond, but threads that have ended are forgotten: those of a runtime do not end.
fn by_thread(process: u32) -> Option<Duration> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += text.split_ascii_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// For systems that keep no such statistics: utime and stime, in hundredths of a second.
fn by_ticks(process: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program is in parentheses and may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * 10))
}

/// The memory of a process.
pub(crate) fn memory(process: u32) -> Option<Memory> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let bytes = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(value.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// Begins the measurement of a process's peak anew, where the system allows it.
pub(crate) fn forget_peak(process: u32) {
    drop(std::fs::write(format!("/proc/{process}/clear_refs"), "5"));
}
