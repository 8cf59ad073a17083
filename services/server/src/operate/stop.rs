//! `warp2api stop`: tells what runs on the data folder to stop, and waits. Only a process that has a lock of the folder and
//! whose number means something here is told anything; one that stops already is only waited for, unless it is to hurry.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::note::Note;
use super::note_file::again;
use super::whereabouts::Whereabouts;
use super::{Running, StopArgs};
use crate::say::answer;

/// How often is looked whether it has ended.
const STEP: Duration = Duration::from_millis(50);

pub(super) async fn run(running: Running, args: &StopArgs, usual: Duration) -> bool {
    let folder = running.folder.as_deref();
    let (notes, unseen) = match running.notes {
        Ok(notes) => (notes, None),
        Err(unseen) => (Vec::new(), Some(unseen.to_string())),
    };
    let given = args.timeout.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(usual));
    let patience = given.unwrap_or(usual);
    let (mut stopped, mut left) = (Vec::new(), Vec::new());
    if let Some(folder) = folder {
        for note in notes {
            match stop(folder, &note, args.now, patience).await {
                Ok(()) => stopped.push(note),
                Err(words) => left.push((note, words)),
            }
        }
    }
    let well = !stopped.is_empty() && left.is_empty();
    if args.output.json {
        let left: Vec<_> =
            left.iter().map(|(note, words)| json!({"process": note, "message": words})).collect();
        let told = json!({"ok": well, "stopped": stopped, "left": left, "error": unseen});
        return answer(format!("{told}\n")) && well;
    }
    let words = stopped.iter().map(|note| format!("stopped {} (process {})\n", note.role, note.pid));
    let told = answer(words.collect::<String>());
    for (note, words) in &left {
        crate::aside!("warp2api: {} (process {}): {words}", note.role, note.pid);
    }
    if let Some(words) = &unseen {
        crate::aside!("warp2api: {words}");
    } else if stopped.is_empty() && left.is_empty() {
        let place = folder.map_or_else(|| "a folder: there is none".to_owned(), |f| f.display().to_string());
        crate::aside!("warp2api: nothing runs on {place}; W2A_DATA_DIR names another folder");
    }
    well && told
}

async fn stop(folder: &Path, note: &Note, now: bool, patience: Duration) -> Result<(), String> {
    if let Some(words) = note.whereabouts.apart(&Whereabouts::here()) {
        return Err(words.to_owned());
    }
    let end = Instant::now() + patience;
    let mut told = false;
    while let Some(current) = again(folder, note).map_err(|unseen| unseen.to_string())? {
        // To one that stops, whoever has told it, a second word would be a word to hurry. That word is given again and
        // again: right after the first one it would be taken for the same.
        if now || !told && current.stopping_since.is_none() {
            tell(note.pid)?;
            told = true;
        }
        if Instant::now() >= end {
            return Err(format!(
                "has not ended after {} seconds; `warp2api stop --now` ends its streams at once",
                patience.as_secs()
            ));
        }
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

#[cfg(unix)]
fn tell(pid: u32) -> Result<(), String> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("the note names no process")?;
    match kill_process(pid, Signal::TERM) {
        // It has ended in this moment.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(format!("cannot be told to stop: {error}")),
    }
}

#[cfg(not(unix))]
fn tell(_pid: u32) -> Result<(), String> {
    Err("this platform has no signal for it: press Ctrl-C where it runs".to_owned())
}
