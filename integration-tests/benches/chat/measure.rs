//! The rounds: floor and houses take turns, and each is compared with the floor of its own round.

use std::time::{Duration, Instant};

use crate::load::{Answers, Connections, Question};
use crate::options::{Load, Plan};
use crate::process::Memory;
use crate::subject::Subject;

/// What one subject did under one load, over all rounds.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Whose it is. The floor's comes first under each load.
    pub(crate) name: &'static str,
    /// What was asked for.
    pub(crate) load: Load,
    /// How many times at once.
    pub(crate) at_once: usize,
    /// What was wrong with replies. If there is anything, the numbers are void.
    pub(crate) failures: Vec<String>,
    /// How many replies were whole.
    pub(crate) replies: u32,
    /// CPU time for each request in seconds, by round. Empty where the system does not tell.
    pub(crate) cpu: Vec<f64>,
    /// Chunks in a second, by round.
    pub(crate) rate: Vec<f64>,
    /// From sending a request to the first text, all replies, sorted.
    pub(crate) first_chunk: Vec<Duration>,
    /// The longest silence within each reply, sorted. A step of the network shows in every one of them.
    pub(crate) longest_gap: Vec<Duration>,
    /// The most memory it had, `None` where the system does not tell.
    pub(crate) memory: Option<Memory>,
    /// The memory it still had after the last round, its connections closed, in bytes.
    pub(crate) left: Option<u64>,
}

/// How long after the last connection memory is looked at again: allocators give back in their own time.
const SETTLING: Duration = Duration::from_secs(1);

/// Measures every subject under every load of the plan.
pub(crate) async fn all(subjects: &[Subject], plan: &Plan) -> anyhow::Result<Vec<Measured>> {
    let mut results = Vec::new();
    for (load, at_once) in &plan.loads {
        results.extend(under_load(subjects, *load, *at_once, plan).await?);
    }
    Ok(results)
}

async fn under_load(
    subjects: &[Subject],
    load: Load,
    at_once: usize,
    plan: &Plan,
) -> anyhow::Result<Vec<Measured>> {
    let question = Question::new(load);
    let mut results: Vec<_> =
        subjects.iter().map(|subject| Measured::new(subject.name, load, at_once)).collect();
    for _ in 0..plan.rounds {
        for (subject, result) in subjects.iter().zip(&mut results) {
            subject.forget_peak();
            let mut connections = match Connections::open(subject.edge, at_once, &question).await {
                Ok(connections) => connections,
                Err(error) => {
                    result.failures.push(format!("{error:#}"));
                    continue;
                }
            };
            let (cpu, begun) = (subject.cpu(), Instant::now());
            let answers = connections.ask(plan.round, &question).await;
            let took = begun.elapsed();
            let cpu = subject.cpu().zip(cpu).map(|(after, before)| after.saturating_sub(before));
            result.add(answers, took, cpu, subject.memory());
        }
    }
    tokio::time::sleep(SETTLING.min(plan.round)).await;
    for (subject, result) in subjects.iter().zip(&mut results) {
        result.left = subject.memory().map(|memory| memory.resident);
        result.first_chunk.sort_unstable();
        result.longest_gap.sort_unstable();
    }
    Ok(results)
}

impl Measured {
    fn new(name: &'static str, load: Load, at_once: usize) -> Self {
        Self {
            name,
            load,
            at_once,
            failures: Vec::new(),
            replies: 0,
            cpu: Vec::new(),
            rate: Vec::new(),
            first_chunk: Vec::new(),
            longest_gap: Vec::new(),
            memory: None,
            left: None,
        }
    }

    fn add(&mut self, answers: Answers, took: Duration, cpu: Option<Duration>, memory: Option<Memory>) {
        self.replies += answers.replies;
        self.failures.extend(answers.failures);
        self.cpu.extend(cpu.map(|cpu| cpu.as_secs_f64() / f64::from(answers.replies.max(1))));
        self.rate.push(f64::from(answers.chunks) / took.as_secs_f64());
        self.first_chunk.extend(answers.first_chunk);
        self.longest_gap.extend(answers.longest_gap);
        self.memory = [self.memory, memory].into_iter().flatten().max_by_key(|memory| memory.peak);
    }

    /// How many chunks each reply has.
    pub(crate) fn chunks(&self) -> f64 {
        f64::from(self.load.chunks().0)
    }
}

/// The time within which so many of a hundred lie. `sorted` must be.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied()
}

/// The middle of some numbers.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_unstable_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    let lower = *numbers.get(numbers.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// The middle of the ratios of `ours` to `theirs`, round by round.
pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
}
