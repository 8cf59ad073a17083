//! Golden files: one directory a case below `testdata`. `events.jsonl` is a script of events for every dialect; each has
//! files of its own beside it that begin with its name: `request.json` and what becomes of it, and what is made of the
//! script, streamed and whole. Where a dialect has a request, the answer is made as that asks for it. Write the
//! snapshots anew with `INSTA_UPDATE=always`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dialects::{Tested, for_each_dialect};
use crate::support::script::Script;
use crate::support::{accept, dump};

fn requests<D: Tested>() {
    for case in cases() {
        let Some(body) = request::<D>(&case) else { continue };
        let mapped = match accept::<D>(&body) {
            Ok(accepted) => dump::accepted(&accepted, &D::describe(&accepted.plan)),
            Err(rejection) => format!("rejected as {}: {rejection}", rejection.reason.as_str_name()),
        };
        compare::<D>(&case, "request", &mapped);
    }
}

#[test]
fn requests_map_as_reviewed() {
    for_each_dialect!(requests());
}

fn streams<D: Tested>() {
    for case in cases() {
        let Some(events) = read(&case, "events.jsonl") else { continue };
        let (plan, script) = (plan::<D>(&case), Script::parse(&events));
        let bytes = script.stream::<D>(plan.clone());
        let checked = D::read_stream(&bytes, &plan);
        let (_, end) = checked.unwrap_or_else(|error| panic!("{} {}: {error}", case.display(), D::FILES));
        assert_eq!(end.is_ok(), script.outcome.is_ok(), "{}", case.display());
        compare::<D>(&case, "stream", &String::from_utf8(bytes).unwrap());
    }
}

#[test]
fn events_stream_as_reviewed() {
    for_each_dialect!(streams());
}

fn wholes<D: Tested>() {
    for case in cases() {
        let Some(events) = read(&case, "events.jsonl") else { continue };
        let plan = plan::<D>(&case);
        let whole = match Script::parse(&events).collect::<D>(plan.clone()) {
            Ok(bytes) => {
                let checked = D::read_whole(&bytes, &plan);
                checked.unwrap_or_else(|error| panic!("{} {}: {error}", case.display(), D::FILES));
                String::from_utf8(bytes).unwrap()
            }
            Err(problem) => {
                let body = String::from_utf8(problem.body(D::ERRORS)).unwrap();
                format!("{} {body}", problem.status(D::ERRORS))
            }
        };
        compare::<D>(&case, "whole", &whole);
    }
}

#[test]
fn events_collect_as_reviewed() {
    for_each_dialect!(wholes());
}

#[test]
fn no_case_is_overlooked() {
    let cases = cases();
    assert!(cases.len() >= 10, "{cases:?}");
    for case in cases {
        let mut any = read(&case, "events.jsonl").is_some();
        fn has<D: Tested>(case: &Path, any: &mut bool) {
            *any |= request::<D>(case).is_some();
        }
        for_each_dialect!(has(&case, &mut any));
        assert!(any, "nothing to read in {}", case.display());
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn request<D: Tested>(case: &Path) -> Option<String> {
    read(case, &format!("{}.request.json", D::FILES))
}

fn read(case: &Path, name: &str) -> Option<String> {
    let path = case.join(name);
    // A checkout may have changed the ends of lines.
    path.exists().then(|| fs::read_to_string(path).unwrap().replace("\r\n", "\n"))
}

fn plan<D: Tested>(case: &Path) -> D::Plan {
    match request::<D>(case) {
        Some(body) => accept::<D>(&body).unwrap().plan,
        None => D::plan(),
    }
}

fn compare<D: Tested>(case: &Path, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(case);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("{}.{name}", D::FILES), text));
}
