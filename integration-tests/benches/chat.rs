//! What a streamed chat costs, as ratios to a bare bridge that runs beside us.
//!
//! `cargo bench -p warp2api-integration-tests --bench chat` runs the house in one process, over unix sockets and over
//! TCP, a bare bridge (`floor`) and one embedded upstream for all, each part in a process of its own, so that its
//! CPU and memory can be told apart. This process is the load generator: it checks every reply whole, and a round
//! with a reply that is not whole is void. Rounds of floor and houses take turns, so that noise hits all.
//! Absolute numbers say more about the machine than about us; the ratios are what counts. `-- --help` lists options.

#[path = "chat/child.rs"]
mod child;
#[path = "chat/floor.rs"]
mod floor;
#[path = "chat/load.rs"]
mod load;
#[path = "chat/measure.rs"]
mod measure;
#[path = "chat/options.rs"]
mod options;
#[path = "chat/part.rs"]
mod part;
#[path = "chat/process.rs"]
mod process;
#[path = "chat/reply.rs"]
mod reply;
#[path = "chat/sink.rs"]
mod sink;
#[path = "chat/subject.rs"]
mod subject;
#[path = "chat/table.rs"]
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use crate::options::{Command, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(Command::Part(part)) = options.command {
        return part::run(part);
    }
    match bench(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("chat: replies or traces were not whole: the measurement is void");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("chat: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, prints, and tells whether every reply was whole.
fn bench(options: &Options) -> anyhow::Result<bool> {
    reply::prove_the_check();
    let street = subject::Street::open(&options.topologies())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(measure::all(&street.subjects, &options.plan()))?;
    let traces = runtime.block_on(sink::check(&street.subjects));
    if options.json {
        println!("{:#}", table::json(&results));
    } else {
        print!("{}", table::text(&results));
    }
    if let Err(error) = &traces {
        eprintln!("chat: {error:#}");
    }
    Ok(traces.is_ok() && results.iter().all(|result| result.failures.is_empty()))
}
