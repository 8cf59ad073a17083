//! The AI endpoint: `POST /ai/multi-agent`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use prost::Message as _;
use warp2api_proto::warp::multi_agent::v1;

use crate::body::AnswerBody;
use crate::check::check;
use crate::exchange::plain;
use crate::fingerprint::Fingerprint;
use crate::http_io::{has_content_type, read_body, respond, take_bearer};
use crate::ids::Ids;
use crate::record::{Endpoint, Received};
use crate::scenario::{Head, Refusal, Scenario};
use crate::script::{Script, script};
use crate::simulator::Simulator;
use crate::turn::Turn;
use crate::wire::reader::Malformed;

/// `POST /ai/multi-agent`.
pub(crate) async fn chat(State(simulator): State<Simulator>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let bearer = take_bearer(&mut parts.headers);
    let body = match read_body(body, simulator.config().body_limit).await {
        Ok(body) => body,
        Err(refusal) => return plain(&refusal),
    };
    let mut received = Received::new(Endpoint::Chat, parts.headers);
    received.bearer = bearer;
    received.body = body.clone();

    let plan = plan(&simulator, &mut received, bearer);
    received.status = match &plan {
        Plan::Refuse(refusal, _) => Some(refusal.status.as_u16()),
        Plan::Stream(..) => Some(200),
        Plan::Stall => None,
    };
    let running = simulator.record().add(received);
    match plan {
        Plan::Stall => {
            let _running = running;
            std::future::pending().await
        }
        Plan::Refuse(refusal, delay) => {
            simulator.pause(delay).await;
            respond(&refusal, running)
        }
        Plan::Stream(scenario) => {
            simulator.pause(scenario.before.delay).await;
            let ids = simulator.ids(running.number());
            match write(&simulator, &body, *scenario, ids) {
                Ok(script) => stream(AnswerBody::stream(script, running)),
                Err(malformed) => respond(&Refusal::new(400, malformed.to_string()), running),
            }
        }
    }
}

enum Plan {
    Refuse(Refusal, std::time::Duration),
    Stream(Box<Scenario>),
    Stall,
}

/// Decides on the answer, notes violations in `received`. Only requests in order use up a scenario.
fn plan(simulator: &Simulator, received: &mut Received, bearer: Option<Fingerprint>) -> Plan {
    let refuse = |refusal| Plan::Refuse(refusal, std::time::Duration::ZERO);
    let bearer = match admit(simulator, &received.headers, bearer) {
        Ok(bearer) => bearer,
        Err(refusal) => return refuse(refusal),
    };
    match judge(&received.body) {
        Ok(violations) => received.violations = violations,
        Err(malformed) => return refuse(Refusal::new(400, malformed.to_string())),
    }
    if let Some(violation) = received.violations.first() {
        return refuse(Refusal::new(400, violation.to_string()));
    }
    let scenario = simulator.next_scenario(&bearer);
    match scenario.before.kind {
        Head::Stall => Plan::Stall,
        Head::Refuse(refusal) => Plan::Refuse(refusal, scenario.before.delay),
        Head::Stream => Plan::Stream(Box::new(scenario)),
    }
}

fn admit(
    simulator: &Simulator,
    headers: &HeaderMap,
    bearer: Option<Fingerprint>,
) -> Result<Fingerprint, Refusal> {
    if !has_content_type(headers, "application/x-protobuf") {
        return Err(Refusal::new(415, "Unsupported Media Type: expected application/x-protobuf"));
    }
    simulator.check_bearer(bearer).map_err(|error| Refusal::unauthorized(&error.to_string()))
}

/// What is wrong with the conversation in `body`, if it is one. The schema must read it as well as we do.
fn judge(body: &[u8]) -> Result<Vec<crate::check::Violation>, Malformed> {
    v1::Request::decode(body).map_err(|_| Malformed)?;
    Ok(check(&Turn::read(body)?))
}

fn write(simulator: &Simulator, body: &[u8], scenario: Scenario, ids: Ids) -> Result<Script, Malformed> {
    let turn = Turn::read(body)?;
    Ok(script(&turn, scenario, ids, simulator.now()))
}

fn stream(body: AnswerBody) -> Response {
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream;charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
