//! The dashboard and the alerts in deploy/ ask for metrics and labels that a scrape has, and leave out none of ours by
//! accident; alerts say what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use warp2api_rpc::meter::{Kind, TABLE};

use crate::numbers::BusyHouse;
use crate::scrape::Scrape;

/// Those that are not on the dashboard on purpose.
const LEFT_OUT: [(&str, &str); 2] = [
    ("process_virtual_memory_bytes", "says little: most of it is never touched"),
    ("process_threads", "as many as there are processors, always"),
];

/// Labels that Prometheus adds itself, and `service`, which the scrapes in deploy/prometheus add.
const PROMETHEUS_OWN: [&str; 5] = ["le", "instance", "job", "alertname", "service"];

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap();
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every query of the dashboard.
fn queries() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value {
                        Value::String(text) if key == "expr" => found.push(text.clone()),
                        other => collect(other, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(&file("deploy/grafana/warp2api.json")).unwrap(), &mut found);
    found
}

/// Every alert, with its fields. Folded text is one line.
fn alerts() -> Vec<BTreeMap<String, String>> {
    let mut alerts: Vec<BTreeMap<String, String>> = Vec::new();
    let mut last = String::new();
    for line in file("deploy/prometheus/rules.yaml").lines().filter(|line| !line.starts_with('#')) {
        let line = line.trim_start();
        let line = line.strip_prefix("- alert: ").map_or_else(
            || line.to_owned(),
            |name| {
                alerts.push(BTreeMap::new());
                format!("alert: {name}")
            },
        );
        let Some(alert) = alerts.last_mut() else { continue };
        let key = line
            .split_once(':')
            .map(|(key, _)| key)
            .filter(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !key.is_empty());
        if let Some(key) = key {
            key.clone_into(&mut last);
            let value = line[key.len() + 1..].trim().trim_start_matches(">-");
            alert.insert(last.clone(), value.to_owned());
        } else if let Some(value) = alert.get_mut(&last) {
            value.push(' ');
            value.push_str(&line);
        }
    }
    alerts
}

/// The metrics of a query, each with the labels that are asked of it, and the labels that it groups by.
fn asked(query: &str) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    const WORDS: [&str; 12] =
        ["by", "on", "and", "or", "unless", "group_left", "ALERTS", "sum", "max", "min", "avg", "count"];
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // Strings are not names.
    let plain: String = query.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    let (mut metrics, mut groups, mut rest) = (Vec::new(), Vec::new(), plain.as_str());
    while let Some(start) = rest.find(is_name) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let next = after.trim_start();
        rest = after;
        if matches!(name, "by" | "on" | "group_left") && next.starts_with('(') {
            let (inside, after) = next[1..].split_once(')').unwrap();
            groups.extend(inside.split(',').map(|label| label.trim().to_owned()).filter(|l| !l.is_empty()));
            rest = after;
        } else if name.starts_with(|c: char| c.is_ascii_digit()) || WORDS.contains(&name) {
            // ALERTS is Prometheus' own.
            if let (true, Some((_, after))) = (next.starts_with('{'), next.split_once('}')) {
                rest = after;
            }
        } else if !next.starts_with('(') && name != "__rate_interval" {
            let mut labels = Vec::new();
            if let Some(inside) = next.strip_prefix('{') {
                let (inside, after) = inside.split_once('}').unwrap();
                let names = inside.split(',').filter_map(|matcher| matcher.split(['=', '!', '~']).next());
                labels.extend(names.map(|label| label.trim().to_owned()));
                rest = after;
            }
            metrics.push((name.to_owned(), labels));
        }
    }
    (metrics, groups)
}

#[test]
fn queries_are_read_as_they_are_meant() {
    let (metrics, groups) = asked(
        r#"histogram_quantile(0.9, sum by (le, x) (rate(a_bucket{i=~"b{1}", y!=""}[5m]))) / on () group_left (z) sum(c) > 0.5"#,
    );
    assert_eq!(
        metrics,
        [("a_bucket".to_owned(), vec!["i".to_owned(), "y".to_owned()]), ("c".to_owned(), vec![])]
    );
    assert_eq!(groups, ["le", "x", "z"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_dashboard_and_the_alerts_ask_for_is_there_and_nothing_of_ours_is_forgotten() {
    let house = BusyHouse::start("grpc").await;
    let scrapes: Vec<_> = house.processes().map(|(_, place)| Scrape::of(&place)).into();
    let mut there: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for scrape in &scrapes {
        for family in scrape.0.keys() {
            there.entry(family).or_default().extend(scrape.labels(family));
        }
    }
    let of_this_system = |kind| kind != Kind::Process || cfg!(target_os = "linux");
    let table = || TABLE.iter().filter(|metric| of_this_system(metric.kind));
    for metric in table() {
        let found = there.get(metric.in_prometheus().as_str());
        let found = found.unwrap_or_else(|| panic!("nothing shows {}", metric.name));
        for label in metric.labels {
            let label = warp2api_rpc::meter::label_in_prometheus(label);
            assert!(found.contains(label.as_str()), "{} never has the label {label}", metric.name);
        }
    }

    let alerts = alerts();
    assert!(alerts.len() > 12, "{}", alerts.len());
    let of_dashboard = queries();
    let of_alerts: Vec<_> = alerts.iter().map(|alert| alert["expr"].clone()).collect();
    let mut shown = BTreeSet::new();
    for query in of_dashboard.iter().chain(&of_alerts) {
        let (metrics, groups) = asked(query);
        let mut known: BTreeSet<&str> = PROMETHEUS_OWN.into();
        for (name, labels) in &metrics {
            if name == "up" {
                continue;
            }
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end).filter(|family| there.contains_key(family)));
            let family = family.unwrap_or(name);
            let found = there.get(family).unwrap_or_else(|| panic!("nothing is called {name}: {query}"));
            known.extend(found);
            for label in labels {
                assert!(known.contains(label.as_str()), "{name} has no label {label}: {query}");
            }
            if of_dashboard.contains(query) {
                shown.insert(family.to_owned());
            }
        }
        for label in groups {
            assert!(known.contains(label.as_str()), "there is no {label} to group by: {query}");
        }
    }
    for metric in table() {
        let name = metric.in_prometheus();
        let left_out = LEFT_OUT.iter().any(|(left_out, _)| *left_out == name);
        assert!(shown.contains(&name) != left_out, "{name}: on the dashboard, or left out on purpose");
    }
}

#[test]
fn every_alert_says_what_it_is_about_and_what_to_do_and_is_tested() {
    let (operations, tests) = (file("docs/operations.md"), file("deploy/prometheus/rules.test.yaml"));
    for alert in alerts() {
        let name = &alert["alert"];
        assert!(["critical", "warning", "info"].contains(&alert["severity"].as_str()), "{name}");
        assert!(alert["summary"].len() > 10 && alert["description"].len() > 20, "{name}");
        assert_eq!(alert["runbook_url"], format!("docs/operations.md#{}", name.to_lowercase()));
        assert!(operations.contains(&format!("\n### {name}\n")), "{name}");
        for how in ["fires", "does not"] {
            assert!(tests.contains(&format!("- name: {name} {how}\n")), "{name} {how}");
        }
    }
    let errors = file("docs/errors.md");
    let all: String = alerts().iter().map(|alert| alert["expr"].clone()).collect();
    let reasons = all.split("error_type=~\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    for reason in reasons.split('|') {
        assert!(errors.contains(&format!("| `{}", reason.trim_end_matches(".+"))), "there is no {reason}");
    }
    let headings = operations.lines().filter(|line| line.starts_with("### Warp2Api")).count();
    assert_eq!(headings, alerts().len(), "a section for each alert, and none for others");
}
