//! Processes that share a folder, are in another container or in memory alone: each is found and told by its note.

use serde_json::Value;

use crate::program::{Program, run, told};

#[test]
fn a_stop_ends_every_process_of_a_folder_also_those_of_one_role() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let programs = [0; 2].map(|_| Program::start(&["codec"], &data));

    let (_, status) = told(&["status"], &data);
    assert_eq!(status["processes"].as_array().map(Vec::len), Some(2), "{status}");
    let (code, stopped) = told(&["stop"], &data);

    assert_eq!((code, stopped["stopped"].as_array().map(Vec::len)), (0, Some(2)), "{stopped}");
    for program in programs {
        assert_eq!(program.ended().status.code(), Some(0));
    }
    assert!(folder.path().read_dir().unwrap().next().is_none(), "no note is left");
}

/// It leaves nothing behind, and is found as long as it runs.
#[test]
fn a_house_in_memory_is_stopped_as_any_other() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let settings =
        [("HOME", home), ("XDG_DATA_HOME", home), ("LOCALAPPDATA", home), ("W2A_DATABASE_URL", "memory:")];
    let program = Program::start(&[], &settings);

    let (code, stopped) = told(&["stop"], &settings);

    assert_eq!((code, &stopped["stopped"][0]["role"]), (0, &"serve".into()), "{stopped}");
    assert_eq!(program.ended().status.code(), Some(0));
    let left: Vec<_> = std::fs::read_dir(home).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_house_without_a_folder_for_its_note_runs_and_says_so_once() {
    let nowhere = [("HOME", ""), ("XDG_DATA_HOME", ""), ("W2A_DATABASE_URL", "memory:")];
    let program = Program::start(&[], &nowhere);

    assert!(program.chat("say exactly: here").contains("here"));
    let ended = program.killed();
    assert_eq!(ended.stderr.matches("will not find this process").count(), 1, "{ended:?}");
}

/// The number in its note is somebody else's here, in a container mostly that of the first process of all.
#[test]
fn a_process_of_another_container_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let program = Program::start(&[], &data);
    let note = program.note(folder.path(), "serve");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&note).unwrap()).unwrap();
    if written["pid_namespace"].is_null() {
        return;
    }

    for (field, other, words) in [
        ("pid_namespace", "pid:[1]", "it runs in another container: stop it there"),
        ("boot_id", "another", "it runs on another machine: stop it there"),
    ] {
        let mut changed = written.clone();
        changed[field] = other.into();
        std::fs::write(&note, changed.to_string()).unwrap();
        let (code, stopped) = told(&["stop", "--timeout", "0.1"], &data);
        assert_eq!((code, &stopped["left"][0]["message"]), (1, &words.into()), "{stopped}");
    }

    assert!(program.chat("say exactly: untouched").contains("untouched"));
    std::fs::write(&note, written.to_string()).unwrap();
    assert_eq!(run(&["stop"], &data).status.code(), Some(0));
}

/// Where one may not look, nobody says that nothing runs.
#[test]
fn a_folder_that_cannot_be_looked_at_is_said_as_that() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("data");
    std::fs::write(&file, "").unwrap();
    let data = [("W2A_DATA_DIR", file.to_str().unwrap())];

    let ended = run(&["stop"], &data);

    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot look for what runs on"), "{ended:?}");
    let (code, stopped) = told(&["stop"], &data);
    assert_eq!((code, stopped["error"].is_string()), (1, true), "{stopped}");
}
