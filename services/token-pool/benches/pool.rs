//! What it costs to lease a credential and to report how it fared, as ratios to a plain round robin behind a mutex.
//!
//! `cargo bench -p warp2api-token-pool` measures a pool in warm state, whose access tokens are at hand: kept in memory, in
//! SQLite, and in PostgreSQL where `W2A_TEST_POSTGRES` names one (`.ci/postgres cargo bench -p warp2api-token-pool`), by
//! the pool's own calls and by its gRPC service in process, with one task and with many at once. All take turns in
//! rounds, so that noise hits all; the best round counts. `-- --least N` fails where a pool of this process grants less
//! than N leases a second. `-- --quick` only sees that it works. In the end it prints how long a caller waits for a slot
//! that another process has left.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

#[path = "pool/floor.rs"]
mod floor;
#[path = "pool/places.rs"]
mod places;
#[path = "../tests/it/postgres.rs"]
mod postgres;
#[path = "pool/subject.rs"]
mod subject;
#[path = "pool/waking.rs"]
mod waking;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::subject::Subject;

/// Tasks that lease at once.
const TASKS: [usize; 2] = [1, 64];

/// What is asked for on the command line.
struct Options {
    rounds: usize,
    round: Duration,
    /// Leases a second that a pool of one process must grant.
    least: Option<f64>,
    wakings: usize,
}

impl Options {
    fn read() -> Self {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let place = arguments.iter().position(|argument| argument == "--least");
        let least = place.and_then(|place| arguments.get(place + 1)?.parse().ok());
        if arguments.iter().any(|argument| argument == "--quick") {
            return Self { rounds: 1, round: Duration::from_millis(50), least, wakings: 3 };
        }
        Self { rounds: 10, round: Duration::from_millis(300), least, wakings: 51 }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let options = Options::read();
    let folder = tempfile::tempdir().unwrap();
    let subjects = subject::all(folder.path()).await;
    let mut slow = Vec::new();
    for tasks in TASKS {
        println!("leased and reported again and again, {tasks} at once");
        let best = measure(&subjects, tasks, &options).await;
        for (subject, rate) in subjects.iter().zip(&best) {
            println!(
                "  {:<28} {rate:>10.0} leases/s   1/{:.1} of a round robin",
                subject.name,
                best[0] / rate
            );
            if subject.is_of_one_process && options.least.is_some_and(|least| *rate < least) {
                slow.push(subject.name);
            }
        }
    }
    waking::report(options.wakings).await;
    if slow.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("pool: too slow: {}", slow.join(", "));
    ExitCode::FAILURE
}

/// The most leases a second that each subject has granted in a round.
async fn measure(subjects: &[Subject], tasks: usize, options: &Options) -> Vec<f64> {
    let mut best = vec![0.0_f64; subjects.len()];
    for _ in 0..options.rounds {
        for (subject, best) in subjects.iter().zip(&mut best) {
            *best = best.max(rate(subject, tasks, options.round).await);
        }
    }
    best
}

async fn rate(subject: &Subject, tasks: usize, round: Duration) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let begin = Instant::now();
    let mut turns = JoinSet::new();
    for _ in 0..tasks {
        let (mut caller, stop) = (subject.caller.clone(), stop.clone());
        turns.spawn(async move {
            let mut count = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                caller.turn(tasks > 1).await;
                count += 1;
            }
            count
        });
    }
    tokio::time::sleep(round).await;
    stop.store(true, Ordering::Relaxed);
    let count: u32 = turns.join_all().await.into_iter().sum();
    f64::from(count) / begin.elapsed().as_secs_f64()
}
