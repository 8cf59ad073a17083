//! Golden files: one directory a case below `testdata`, with `request.json`, `events.jsonl`, or both. Where both are
//! there, the answer is made as the request asks for it. Write the snapshots anew with `INSTA_UPDATE=always`.

use std::fs;
use std::path::{Path, PathBuf};

use warp2api_dialects::AnswerHead;

use crate::support::script::Script;
use crate::support::{accept, dump, head, strict};

#[test]
fn requests_map_as_reviewed() {
    for case in cases() {
        let Some(body) = read(&case, "request.json") else { continue };
        let mapped = match accept(&body) {
            Ok(accepted) => dump::accepted(&accepted),
            Err(rejection) => format!("rejected as {}: {rejection}", rejection.reason.as_str_name()),
        };
        compare(&case, "request", &mapped);
    }
}

#[test]
fn events_stream_as_reviewed() {
    for case in cases() {
        let Some(events) = read(&case, "events.jsonl") else { continue };
        let (head, script) = (answer_head(&case), Script::parse(&events));
        let include_usage = head.include_usage;
        let bytes = script.stream(head);
        let checked = strict::stream(&bytes, include_usage);
        let (_, end) = checked.unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        assert_eq!(end.is_ok(), script.outcome.is_ok(), "{}", case.display());
        compare(&case, "chunks", &String::from_utf8(bytes).unwrap());
    }
}

#[test]
fn events_collect_as_reviewed() {
    for case in cases() {
        let Some(events) = read(&case, "events.jsonl") else { continue };
        let whole = match Script::parse(&events).collect(answer_head(&case)) {
            Ok(bytes) => {
                strict::whole(&bytes).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
                String::from_utf8(bytes).unwrap()
            }
            Err(problem) => {
                format!("{} {}", problem.status(), String::from_utf8(problem.body()).unwrap())
            }
        };
        compare(&case, "whole", &whole);
    }
}

#[test]
fn no_case_is_overlooked() {
    let cases = cases();
    assert!(cases.len() >= 10, "{cases:?}");
    for case in cases {
        let any = ["request.json", "events.jsonl"].iter().any(|name| case.join(name).exists());
        assert!(any, "nothing to read in {}", case.display());
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn read(case: &Path, name: &str) -> Option<String> {
    let path = case.join(name);
    // A checkout may have changed the ends of lines.
    path.exists().then(|| fs::read_to_string(path).unwrap().replace("\r\n", "\n"))
}

fn answer_head(case: &Path) -> AnswerHead {
    match read(case, "request.json") {
        Some(body) => accept(&body).unwrap().head("chatcmpl-1", 1_700_000_000),
        None => head(),
    }
}

fn compare(case: &Path, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(case);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
