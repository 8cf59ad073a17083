//! Where a request comes from, as far as it says so itself: the name that it calls this machine, the web page that has a
//! browser send it, the proxy that passes it on.
//!
//! An address that only this machine can reach is reached by its browsers as well, for whatever page somebody looks at,
//! also under a name that the page's owner has made point here: then page and host agree, and the browser sees no other
//! origin. Only the name gives it away. Programs that are no browsers name no origin.

use http::header::{FORWARDED, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// By what containers call the machine they run on. Names below `.internal` are nobody's in the public DNS.
const OF_CONTAINERS: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// Whether a request is sent for a web page that is not this machine's: one from the network, or one that hides where
/// it is from. Pages of programs, such as an editor's, have schemes of their own and are not meant.
pub fn is_foreign_page(headers: &HeaderMap) -> bool {
    headers.get_all(ORIGIN).iter().any(|origin| {
        match origin.to_str().ok().and_then(|origin| origin.split_once("://")) {
            Some(("http" | "https", authority)) => !is_this_machine(authority),
            Some(_) => false,
            None => true,
        }
    })
}

/// Whether a request is sent for a page that is not one of this machine's, whatever the scheme of its address.
pub(crate) fn is_other_page(headers: &HeaderMap) -> bool {
    headers.get_all(ORIGIN).iter().any(|origin| {
        let parts = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        !parts.is_some_and(|(_, authority)| is_this_machine(authority))
    })
}

/// Whether a request calls the machine by a name that can only be its own, wherever it says one.
pub(crate) fn is_named_here(uri: &Uri, headers: &HeaderMap) -> bool {
    every_name(uri, headers, is_this_machine)
}

/// The same, or by one that containers have for the machine they run on. Such a name is as good as the DNS that answers
/// for it, so it opens nothing that hands out secrets.
pub fn is_named_here_or_by_a_container(uri: &Uri, headers: &HeaderMap) -> bool {
    let of_a_container = |authority: &str| {
        let host = authority.parse::<Authority>().map(|authority| authority.host().to_ascii_lowercase());
        host.is_ok_and(|host| OF_CONTAINERS.contains(&host.as_str()))
    };
    every_name(uri, headers, |name| is_this_machine(name) || of_a_container(name))
}

/// Whether a proxy says that it passes a request on for somebody else.
pub fn is_passed_on(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED)
        || ["x-forwarded-for", "x-real-ip"].into_iter().any(|name| headers.contains_key(name))
}

/// A request may name its host in its target, in a header, or in both; old clients name none.
fn every_name(uri: &Uri, headers: &HeaderMap, fits: impl Fn(&str) -> bool) -> bool {
    uri.authority().is_none_or(|authority| fits(authority.as_str()))
        && headers.get_all(HOST).iter().all(|host| host.to_str().is_ok_and(&fits))
}

/// Whether a host, perhaps with a port, is this machine under a name that cannot be another's.
fn is_this_machine(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())])
    }

    #[test]
    fn pages_from_elsewhere_are_told_from_programs_and_pages_from_here() {
        for (origin, foreign, other) in [
            ("http://localhost:5173", false, false),
            ("http://127.0.0.1", false, false),
            ("https://[::1]:28888", false, false),
            ("vscode-webview://0a1b", false, true),
            ("https://evil.example", true, true),
            ("http://localhost.evil.example", true, true),
            ("http://10.0.0.5:28889", true, true),
            ("http://", true, true),
            ("null", true, true),
            ("", true, true),
        ] {
            let headers = from(origin);
            assert_eq!((is_foreign_page(&headers), is_other_page(&headers)), (foreign, other), "{origin}");
            let mut both = from("http://localhost");
            both.append(ORIGIN, origin.parse().unwrap());
            assert_eq!(is_foreign_page(&both), foreign, "the second of two: {origin}");
        }
        assert!(!is_foreign_page(&HeaderMap::new()) && !is_other_page(&HeaderMap::new()), "a program");
    }

    #[test]
    fn names_of_this_machine_are_told_from_those_that_may_be_anybodys() {
        for (name, own, or_of_a_container) in [
            ("127.0.0.1:28888", true, true),
            ("127.8.8.8", true, true),
            ("[::1]:28888", true, true),
            ("LocalHost:1", true, true),
            ("host.docker.internal:28888", false, true),
            ("Host.Containers.Internal", false, true),
            ("evil.example:28888", false, false),
            ("localhost.evil.example", false, false),
            ("host.docker.internal.evil.example", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("localhost@evil.example", false, false),
            ("10.0.0.5", false, false),
            ("0.0.0.0:28888", false, false),
            ("", false, false),
        ] {
            let plain = Uri::from_static("/x");
            let headers = HeaderMap::from_iter([(HOST, name.parse().unwrap())]);
            let found = (is_named_here(&plain, &headers), is_named_here_or_by_a_container(&plain, &headers));
            assert_eq!(found, (own, or_of_a_container), "{name} as a header");
            // HTTP/2 has it in the target, and a proxy's client as well.
            let Ok(target) = format!("http://{name}/x").parse::<Uri>() else { continue };
            for headers in [HeaderMap::new(), HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())])] {
                let found =
                    (is_named_here(&target, &headers), is_named_here_or_by_a_container(&target, &headers));
                assert_eq!(found, (own, or_of_a_container), "{name} in the target");
            }
        }
        assert!(is_named_here(&Uri::from_static("/x"), &HeaderMap::new()), "an old client");
    }

    #[test]
    fn proxies_say_so() {
        for (name, passed_on) in [
            ("forwarded", true),
            ("x-forwarded-for", true),
            ("x-real-ip", true),
            ("x-forwarded-proto", false),
            ("via", false),
        ] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static("for=10.0.0.5"),
            )]);
            assert_eq!(is_passed_on(&headers), passed_on, "{name}");
        }
    }
}
