//! Commands that look after a house: `status`, `stop`, `doctor`, `smoke`. They meet it as everybody does, over its ports
//! and by the notes its processes leave in the data folder, and change nothing but what `stop` is for.
//!
//! They are needed most where something is wrong: settings that are do not keep them from what they can do without.

mod args;
mod ask;
mod doctor;
mod folder;
mod house;
mod note;
mod note_file;
mod parts;
mod port;
mod ports;
mod reach;
mod ready;
mod remote;
mod report;
mod rooms;
mod smoke;
mod status;
mod stop;
mod whereabouts;

pub use args::{DoctorArgs, Operation, Output, SmokeArgs, StatusArgs, StopArgs, TrustArgs};
pub(crate) use ask::chain;
pub use note::Note;
pub use note_file::NoteFile;
pub use whereabouts::Whereabouts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use self::house::House;
use self::note_file::Unseen;
use crate::config::{Config, Role};
use crate::settings::Settings;
use crate::sources::Gathered;
use crate::{Problems, aside};

/// The settings as they were found, with all that is wrong with them.
#[derive(Debug, Clone)]
pub struct Written {
    /// What can be used.
    pub found: Gathered,
    /// What cannot.
    pub problems: Problems,
}

impl Written {
    fn settings(&self) -> &Settings {
        &self.found.settings
    }

    /// The settings as a process of this role would have them, and all that is wrong with them.
    fn config(&self, role: Role) -> (Config, Vec<String>) {
        let (config, more) = Config::look(role, self.settings().clone(), self.found.origins.clone());
        (config, self.problems.0.iter().cloned().chain(more.0).collect())
    }
}

/// What runs on a data folder.
struct Running {
    folder: Option<PathBuf>,
    notes: Result<Vec<Note>, Unseen>,
}

impl Running {
    fn on(folder: Option<PathBuf>) -> Self {
        let notes = folder.as_deref().map_or_else(|| Ok(Vec::new()), note_file::running);
        Self { folder, notes }
    }

    fn notes(&self) -> &[Note] {
        self.notes.as_deref().unwrap_or_default()
    }
}

/// Does it.
pub async fn run(operation: &Operation, written: &Written) -> ExitCode {
    // They only look for a house: what one would need to open its rooms is not their business.
    let (config, problems) = written.config(Role::Codec);
    let running = Running::on(config.store.notes_folder());
    if !matches!(operation, Operation::Doctor(_)) {
        problems.iter().for_each(|problem| aside!("warp2api: {problem}"));
    }
    let settings = written.settings();
    let well = match operation {
        Operation::Status(args) if args.ready => {
            ready::run(&House::new(config, settings, None, None), &running, args.output).await
        }
        Operation::Status(args) => {
            let house = House::new(config, settings, None, None).at(running.notes());
            status::run(&house, &running, args.output).await
        }
        Operation::Stop(args) => {
            let usual = config.drain_window + config.drain_timeout + Duration::from_secs(10);
            stop::run(running, args, usual).await
        }
        Operation::Doctor(args) => doctor::run(written, &running, args).await,
        Operation::Smoke(args) => {
            let house = House::new(config, settings, args.url.as_ref(), args.key.as_ref());
            smoke::run(&house.at(running.notes()), args).await
        }
    };
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
