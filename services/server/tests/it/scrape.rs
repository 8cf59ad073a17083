//! A scrape of `/metrics`, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::program::PATIENCE;

/// What was scraped: families by name, in the order of their names.
#[derive(Debug)]
pub(crate) struct Scrape(pub(crate) BTreeMap<String, Family>);

/// Samples that belong together.
#[derive(Debug, Default)]
pub(crate) struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: String,
    pub(crate) help: String,
    /// Name, labels, value.
    pub(crate) samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// The answer to a GET, head and all.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

impl Scrape {
    /// Scrapes `address`.
    pub(crate) fn of(address: &str) -> Self {
        let answer = get(address, "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{answer}");
        Self::read(answer.split_once("\r\n\r\n").unwrap().1)
    }

    fn read(text: &str) -> Self {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.splitn(4, ' ');
            if let (Some("#"), Some(what), Some(name), Some(rest)) =
                (words.next(), words.next(), words.next(), words.next())
            {
                let family = families.entry(name.to_owned()).or_default();
                let field = if what == "TYPE" { &mut family.kind } else { &mut family.help };
                rest.clone_into(field);
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, self::labels(labels.strip_suffix('}').unwrap())),
                None => (series, BTreeMap::new()),
            };
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end).filter(|family| families.contains_key(*family)));
            let family = families.get_mut(of_histogram.unwrap_or(name)).unwrap_or_else(|| panic!("{line}"));
            family.samples.push((name.to_owned(), labels, value.parse().unwrap()));
        }
        Self(families)
    }

    /// The sum of the samples of that name that have these labels, if there are any.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let samples = self.0.values().flat_map(|family| &family.samples);
        let wanted = samples.filter(|(sample, found, _)| {
            sample == name && labels.iter().all(|(key, value)| found.get(*key).is_some_and(|v| v == value))
        });
        wanted.map(|(.., value)| *value).reduce(|sum, value| sum + value)
    }

    /// Labels of a family, but for those of a histogram's buckets.
    pub(crate) fn labels(&self, family: &str) -> BTreeSet<&str> {
        let samples = self.0[family].samples.iter();
        samples.flat_map(|(_, labels, _)| labels.keys().map(String::as_str)).filter(|l| *l != "le").collect()
    }
}

/// `a="b",c="d"`, with backslashes before quotes, backslashes and, as `n`, ends of lines.
fn labels(text: &str) -> BTreeMap<String, String> {
    let (mut labels, mut rest) = (BTreeMap::new(), text);
    while let Some((name, after)) = rest.split_once("=\"") {
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().expect("a value ends") {
                (end, '"') => break end,
                (_, '\\') => value.push(chars.next().unwrap().1),
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
        rest = after[end + 1..].trim_start_matches(',');
    }
    assert!(rest.is_empty(), "{text}");
    labels
}
