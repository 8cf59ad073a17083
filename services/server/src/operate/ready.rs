//! `warp2api status --ready`: whether the processes of this data folder live and can serve, for health checks of containers
//! and for probes. Each is asked where its note says that it listens, for `/livez` and `/readyz` and nothing else: neither
//! leaves a line in a log.

use std::time::Duration;

use serde_json::{Value, json};

use super::note::Note;
use super::port::Port;
use super::remote::get;
use super::whereabouts::Whereabouts;
use super::{House, Output, Running};
use crate::say::answer;

/// Two questions are to be answered within the five seconds that health checks have.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(house: &House, running: &Running, output: Output) -> bool {
    let mut asked = Vec::new();
    let here = Whereabouts::here();
    // Those of other containers have ports of their own, which are not the ones of the same numbers here.
    for note in running.notes().iter().filter(|note| note.whereabouts.apart(&here).is_none()) {
        asked.push((note, ask(house, note).await));
    }
    let nobody = asked.is_empty().then(|| nobody(running));
    let ready = nobody.is_none() && asked.iter().all(|(_, answer)| answer.is_ok());
    let words = if output.json {
        let one = |(note, answer): &(&Note, Result<(), String>)| -> Value {
            json!({"role": note.role, "pid": note.pid, "ready": answer.is_ok(), "message": answer.as_ref().err()})
        };
        let processes: Vec<_> = asked.iter().map(one).collect();
        format!("{}\n", json!({"ready": ready, "processes": processes, "message": nobody}))
    } else {
        let lines = asked.iter().map(|(note, answer)| line(note, answer));
        nobody.map(|words| format!("not ready: {words}\n")).into_iter().chain(lines).collect()
    };
    answer(words) && ready
}

fn line(note: &Note, answer: &Result<(), String>) -> String {
    match answer {
        Ok(()) => format!("ready: {} (process {})\n", note.role, note.pid),
        Err(words) => format!("not ready: {} (process {}): {words}\n", note.role, note.pid),
    }
}

fn nobody(running: &Running) -> String {
    match (&running.notes, &running.folder) {
        (Err(unseen), _) => unseen.to_string(),
        (Ok(notes), _) if !notes.is_empty() => {
            "what runs on this folder runs in another container".to_owned()
        }
        (Ok(_), Some(folder)) => {
            format!("nothing runs on {}; W2A_DATA_DIR names another folder", folder.display())
        }
        (Ok(_), None) => "there is no folder with notes of what runs; W2A_DATA_DIR names one".to_owned(),
    }
}

async fn ask(house: &House, note: &Note) -> Result<(), String> {
    let port = port_of(house, note).ok_or("it listens nowhere")?;
    for path in ["/livez", "/readyz"] {
        let answer = get(&house.config, &port, path, PATIENCE).await;
        let answer = answer.map_err(|words| house.advised(&port, words))?;
        if answer.status != 200 {
            return Err(answer.trouble());
        }
    }
    Ok(())
}

/// The port that a process is asked at: the one that others use it by.
pub(super) fn port_of(house: &House, note: &Note) -> Option<Port> {
    let plain = |address: &String| Port::of("http", address, None);
    let edge = || Some(Port::noted(note.edge.as_ref()?, note.edge_certificate.as_ref(), &house.edge));
    let grpc = || Some(Port::noted(note.grpc.as_ref()?, note.grpc_certificate.as_ref(), &house.services));
    edge().or_else(grpc).or_else(|| note.upstream.as_ref().or(note.metrics.as_ref()).map(plain))
}
