//! The upstream, to the doctor: whether it can be reached, answers as it should, and has the same time.

use std::time::SystemTime;

use http::Method;
use http::header::DATE;

use super::House;
use super::ask::{Answer, ask};
use super::doctor::{PATIENCE, SKEW};
use super::report::Line;
use crate::config::UpstreamChoice;
use crate::pool;

/// Whether the upstream answers, over TLS where it has it, and whether its clock agrees with ours.
pub(super) async fn lines(house: &House) -> Vec<Line> {
    let url = match (&house.config.upstream, &house.config.auto) {
        (UpstreamChoice::Remote(url), _) => url.clone(),
        (UpstreamChoice::Embedded(_), Some(auto)) if house.config.store.has_credentials().await => {
            auto.url.clone()
        }
        (UpstreamChoice::Embedded(_), _) => {
            return vec![Line::ok("upstream", "the embedded one: no network is used")];
        }
    };
    let Ok(client) = pool::remote(&house.config) else {
        let cure = "correct HTTP_PROXY or HTTPS_PROXY";
        return vec![Line::fail("upstream", "a proxy setting cannot be used", cure)];
    };
    match ask(&client, Method::GET, &format!("{url}/"), None, None, PATIENCE).await {
        Ok(answer) => vec![verdict(&url, &answer), clock(&answer, SystemTime::now())],
        Err(words) => vec![Line::fail("upstream", format!("{url}: {words}"), cure_for(&words))],
    }
}

/// What an answer to `/` says of the upstream. One of Warp is a page.
fn verdict(url: &str, answer: &Answer) -> Line {
    let words = format!("{url} answers over {:?}", answer.version);
    let is_embedded = answer.headers.contains_key("x-warp2api-upstream");
    let cure = match answer.status {
        // It has no page there.
        404 if is_embedded => return Line::ok("upstream", words),
        404 => "this is probably not the root URL of the upstream: correct W2A_UPSTREAM or WARP_URL",
        403 => {
            "something on the way refuses it: a firewall, a proxy, or a country the upstream does not serve"
        }
        407 => "the proxy wants a user and a password: HTTPS_PROXY=http://user:password@host:port",
        500.. => "it is down, or a proxy on the way cannot reach it; try again later",
        _ => return Line::ok("upstream", words),
    };
    Line::warn("upstream", format!("{words} with status {}", answer.status), cure)
}

fn cure_for(words: &str) -> &'static str {
    let words = words.to_ascii_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| words.contains(needle));
    if any(&["certificate", "tls", "unknownissuer"]) {
        "something on the way has a certificate that is not trusted: a proxy that looks into TLS, or a wrong clock"
    } else if any(&["dns", "lookup", "resolve"]) {
        "the name cannot be found: look at the machine's DNS, or set HTTPS_PROXY if only a proxy may"
    } else if any(&["refused", "unreachable", "seconds", "timed out"]) {
        "a firewall may be in between: allow it, or set HTTPS_PROXY"
    } else {
        "look at the network, at HTTPS_PROXY and at W2A_UPSTREAM"
    }
}

/// How far the upstream's clock is from `now`.
fn clock(answer: &Answer, now: SystemTime) -> Line {
    let date = answer.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let Some(date) = date else { return Line::ok("clock", "the upstream does not tell the time") };
    let skew = now.duration_since(date).unwrap_or_else(|error| error.duration());
    let words = format!("{} seconds from the upstream's", skew.as_secs());
    if skew <= SKEW {
        return Line::ok("clock", words);
    }
    Line::fail(
        "clock",
        words,
        "set the machine's clock (NTP): tokens would be taken for expired, or for fresh",
    )
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn answer(status: u16, headers: http::HeaderMap) -> Answer {
        let (text, pieces) = (String::new(), Vec::new());
        Answer { status, version: http::Version::HTTP_11, headers, text, pieces }
    }

    #[test]
    fn a_status_that_no_upstream_has_at_its_root_is_doubtful() {
        let none = http::HeaderMap::new;
        for (status, level) in [
            (200, Level::Ok),
            (301, Level::Ok),
            (403, Level::Warn),
            (404, Level::Warn),
            (407, Level::Warn),
            (502, Level::Warn),
        ] {
            let line = verdict("http://a", &answer(status, none()));
            assert_eq!(line.level, level, "{line:?}");
            assert_eq!(line.words.contains(&status.to_string()), level == Level::Warn, "{line:?}");
        }
        let embedded = [("x-warp2api-upstream".parse().unwrap(), "embedded".parse().unwrap())];
        let embedded: http::HeaderMap = embedded.into_iter().collect::<http::HeaderMap>();
        assert_eq!(verdict("http://a", &answer(404, embedded)).level, Level::Ok);
    }

    #[test]
    fn a_clock_that_is_far_off_is_a_failure_either_way() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (date, level) in [
            (Some("Sun, 06 Nov 1994 08:49:07 GMT"), Level::Ok),
            (Some("Sun, 06 Nov 1994 08:59:37 GMT"), Level::Fail),
            (Some("Sun, 06 Nov 1994 07:49:37 GMT"), Level::Fail),
            (Some("today"), Level::Ok),
            (None, Level::Ok),
        ] {
            let headers = date.map(|date| (DATE, date.parse().unwrap())).into_iter().collect();
            assert_eq!(clock(&answer(200, headers), now).level, level, "{date:?}");
        }
    }

    #[test]
    fn what_keeps_the_upstream_away_has_a_cure_of_its_own() {
        for (words, cure) in [
            ("invalid peer certificate: UnknownIssuer", "certificate"),
            ("dns error: failed to lookup address", "DNS"),
            ("tcp connect error: Connection refused", "firewall"),
            ("no answer in 20 seconds", "firewall"),
            ("something else", "HTTPS_PROXY"),
        ] {
            assert!(cure_for(words).contains(cure), "{words}: {}", cure_for(words));
        }
    }
}
