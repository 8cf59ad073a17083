//! Every way in, by every caller: each route of the edge, each method over gRPC and REST, each path of the original and
//! each page, on addresses that others can reach, in every form a path can be written in.
//!
//! Whoever is not meant is refused, or finds nothing there; nothing that could be let in is tried before that is known,
//! so that what the pool and the upstream were asked for in between has to be nothing at all.

mod callers;
mod doors;
mod wire;

use serde_json::json;
use warp2api_integration_tests::House;
use warp2api_rpc::listener::Address;

use self::callers::{CALLERS, house};
use self::doors::{Door, Port, doors};
use self::wire::{Outcome, Wire};
use crate::dynamic;

/// How a path is written, and the method that it is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    AsIs,
    Slash,
    Slashes,
    RootTwice,
    Percent,
    Absolute,
    Head,
    Options,
}

const FORMS: [Form; 8] = [
    Form::AsIs,
    Form::Slash,
    Form::Slashes,
    Form::RootTwice,
    Form::Percent,
    Form::Absolute,
    Form::Head,
    Form::Options,
];

impl Form {
    /// The method and the target of a request.
    fn of(self, door: &Door, authority: &str) -> (String, String) {
        let (path, query) = door
            .path
            .split_once('?')
            .map_or((door.path.as_str(), ""), |(path, _)| (path, &door.path[path.len()..]));
        let path = match self {
            Self::AsIs | Self::Head | Self::Options => path.to_owned(),
            Self::Slash => format!("{path}/"),
            Self::Slashes => format!("/{}", path.replace('/', "//")).replacen("///", "//", 1),
            Self::RootTwice => format!("/v1{path}"),
            Self::Percent => {
                // The last letter of the first word: whoever compares before reading does not know it.
                let at = path[1..].find(['/', ':', '.']).map_or(path.len() - 1, |end| end);
                format!("{}%{:02x}{}", &path[..at], path.as_bytes()[at], &path[at + 1..])
            }
            Self::Absolute => format!("http://{authority}{path}"),
        };
        let method = match self {
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            _ => door.method,
        };
        (method.to_owned(), format!("{path}{query}"))
    }

    /// Whether the path is the same in this form, so that what is said has to be the same as well.
    fn is_the_same(self, door: &Door) -> bool {
        match self {
            Self::AsIs | Self::Absolute => true,
            // The edge reads what clients make of a base URL, the services do not.
            Self::Slashes => door.port == Port::Edge,
            Self::RootTwice => door.port == Port::Edge && door.path.starts_with("/v1/"),
            Self::Slash => door.port == Port::Edge && !door.path.starts_with("/v1/models/"),
            Self::Percent | Self::Head | Self::Options => false,
        }
    }
}

async fn leases_and_credentials(house: &House, address: &str) -> (i32, usize) {
    let link = warp2api_rpc::Link::default();
    let place = warp2api_rpc::endpoint::Place::Tcp(format!("http://{address}"));
    let endpoint = warp2api_rpc::endpoint::linked(&place, &link).unwrap();
    let mut metadata = tonic::metadata::MetadataMap::new();
    metadata.insert("x-admin-key", callers::ADMIN_KEY.parse().unwrap());
    let listed = json!({});
    let method = "token_pool.v1.TokenPool/ListCredentials";
    let mut stream = dynamic::open(&endpoint, method, &listed, metadata).await.unwrap();
    let message = stream.message().await.unwrap().expect("a list");
    let listed = serde_json::to_value(&message).unwrap();
    (house.leases().await, listed["credentials"].as_array().map_or(0, Vec::len))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_in_is_for_its_callers_in_whatever_form_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = house(folder.path()).await;
    let edge = house.edge.trim_start_matches("http://").to_owned();
    let Address::Tcp(services) = house.token_pool.clone() else { panic!("it listens on TCP") };
    // Nothing of what follows depends on how this machine calls itself.
    let services = services.replace("0.0.0.0", "127.0.0.1");
    house.token_pool = Address::Tcp(services.clone());
    let address = |port| if port == Port::Edge { &edge } else { &services };
    let before = leases_and_credentials(&house, &services).await;
    let (mut refused, mut nothing) = (0, 0);
    for door in doors() {
        let authority = address(door.port);
        let mut wire = Wire::connect(authority).await;
        for caller in CALLERS.iter().filter(|caller| !door.lets_in(caller)) {
            for form in FORMS {
                let (method, target) = form.of(&door, authority);
                let what = format!("{form:?}: {method} {target} on {:?} by {}", door.port, caller.name);
                // That what is shown in one way counts as in another does not depend on the path.
                let ways = if form == Form::AsIs { caller.ways } else { &caller.ways[..1] };
                for headers in ways {
                    let answer = wire.ask(&method, &target, headers, &door).await;
                    match answer.outcome() {
                        Outcome::Refused => refused += 1,
                        Outcome::NothingThere if !form.is_the_same(&door) => nothing += 1,
                        _ => panic!("{what} with {headers:?}: {answer:?}"),
                    }
                    assert!(!answer.tells_something(), "{what} with {headers:?}: {answer:?}");
                }
            }
        }
        // The other version of HTTP.
        for caller in CALLERS.iter().filter(|caller| !door.lets_in(caller)) {
            let outcome = wire::by_http_2(authority, &door, caller.ways[0]).await;
            assert_eq!(outcome, Outcome::Refused, "{door:?} by {} over HTTP/2", caller.name);
        }
    }
    assert_eq!(house.record().received(), 0, "nothing was asked of the upstream");
    assert_eq!(leases_and_credentials(&house, &services).await, before, "nothing was asked of the pool");
    assert!(refused > 1000 && nothing > 500, "{refused} were refused, {nothing} found nothing");

    for door in doors() {
        let authority = address(door.port);
        for caller in CALLERS.iter().filter(|caller| door.lets_in(caller)) {
            for headers in caller.ways {
                let answer =
                    Wire::connect(authority).await.ask(door.method, &door.path, headers, &door).await;
                let outcome = answer.outcome();
                // Nothing is counted in a process of tests, so there are no metrics to read.
                let is_empty = door.path == "/metrics" && outcome == Outcome::NothingThere;
                let what = format!("{door:?} by {} with {headers:?}: {answer:?}", caller.name);
                assert!(outcome == Outcome::LetIn || is_empty, "{what}");
            }
        }
    }
    end(house).await;
}

/// Ends a house that has leases out.
async fn end(mut house: House) {
    for running in house.take_running() {
        running.drain(std::future::ready(())).await;
    }
}
