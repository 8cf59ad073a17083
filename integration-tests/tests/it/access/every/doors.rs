//! Every way in: what is asked for where, what goes along, and whom it is for.

use serde_json::json;
use warp2api_gateway::Scope;
use warp2api_proto::descriptors;
use warp2api_rpc::policy::{Access, METHODS, access};

use super::callers::{Caller, Known};

/// Which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Edge,
    Services,
}

/// Whom a way in is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Keys(Scope),
    Callers(Access),
}

/// A way in.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) port: Port,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    whom: For,
}

impl Door {
    /// Whether it is for a caller.
    pub(super) fn lets_in(&self, caller: &Caller) -> bool {
        use Known::{AdminKey, ChatKey, ChatToken, ModelsKey, ServiceToken};
        match self.whom {
            For::Keys(Scope::Models) => matches!(caller.known, ModelsKey | ChatKey),
            For::Keys(Scope::Chat) => caller.known == ChatKey,
            For::Callers(Access::Open) => true,
            For::Callers(Access::Chat) => matches!(caller.known, AdminKey | ServiceToken | ChatToken),
            For::Callers(Access::Service) => caller.known == ServiceToken,
            For::Callers(Access::Admin) => caller.known == AdminKey,
        }
    }
}

/// All of them.
pub(super) fn doors() -> Vec<Door> {
    [edge(), grpc(), rest(), original()].into_iter().flatten().collect()
}

const JSON: &str = "application/json";

fn edge() -> Vec<Door> {
    let methods = |path: &str| match path {
        "/responses/{id}" => &["GET", "DELETE"][..],
        "/responses/{id}/input_items" | "/models" | "/models/{*id}" => &["GET"],
        _ => &["POST"],
    };
    let body = json!({
        "model": "auto",
        "max_tokens": 9,
        "prompt": "say exactly: in",
        "input": "say exactly: in",
        "messages": [{"role": "user", "content": "say exactly: in"}],
    });
    let paths = warp2api_gateway::paths().flat_map(|(path, scope)| {
        let below = path.replace("{id}", "resp_1").replace("{*id}", "auto");
        let each = methods(path).iter().flat_map(move |method| {
            [format!("/v1{below}"), below.clone()].map(|path| (*method, path, scope))
        });
        each.collect::<Vec<_>>()
    });
    let door = |(method, path, scope)| Door {
        port: Port::Edge,
        method,
        path,
        content_type: JSON,
        body: if method == "POST" { body.to_string().into_bytes() } else { Vec::new() },
        whom: For::Keys(scope),
    };
    paths.map(door).collect()
}

fn grpc() -> Vec<Door> {
    let door = |(path, access): &(&str, Access)| Door {
        port: Port::Services,
        method: "POST",
        path: (*path).to_owned(),
        content_type: "application/grpc",
        // A message with nothing in it, which is enough to lease.
        body: vec![0; 5],
        whom: For::Callers(*access),
    };
    METHODS.iter().map(door).collect()
}

fn rest() -> Vec<Door> {
    let routes = warp2api_rest::routes(descriptors::pool()).unwrap();
    let door = |route: &warp2api_rest::Route| {
        let method = &route.method;
        let called = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = route.path.replace("{model=chatModels/*}", "chatModels/auto");
        let path = path.replace("{credential.name=", "{name=");
        let path = ["credentials", "messageTypes", "chatModels", "exchanges"]
            .iter()
            .fold(path, |path, kind| path.replace(&format!("{{name={kind}/*}}"), &format!("{kind}/none")));
        assert!(!path.contains('{'), "{path}");
        let said = json!({"messages": [{"role": "ROLE_USER", "parts": [{"text": "say exactly: in"}]}]});
        let chats = method.name() == "StreamChat";
        let sends = ["POST", "PATCH"].contains(&route.http_method.as_str());
        Door {
            port: Port::Services,
            method: match route.http_method.as_str() {
                "GET" => "GET",
                "POST" => "POST",
                "PATCH" => "PATCH",
                "DELETE" => "DELETE",
                other => panic!("{other} is new here"),
            },
            path,
            content_type: JSON,
            body: if chats { said.to_string() } else { "{}".repeat(usize::from(sends)) }.into_bytes(),
            whom: For::Callers(access(&called).expect("a method of ours")),
        }
    };
    let doors: Vec<_> = routes.iter().map(door).collect();
    assert!(doors.iter().any(|door| door.whom == For::Callers(Access::Chat)), "chats are among them");
    doors
}

/// The original's paths, the monitor, pages and metrics.
fn original() -> Vec<Door> {
    use Access::{Admin, Open, Service};
    let packet = r#"{"input":{"user_inputs":{"inputs":[{"user_query":{"query":"hi"}}]}}}"#;
    let rows = [
        ("GET", "/", "", Open),
        ("GET", "/healthz", "", Open),
        ("GET", "/livez", "", Open),
        ("GET", "/readyz", "", Open),
        ("GET", "/metrics", "", Open),
        ("GET", "/openapi.json", "", Open),
        ("GET", "/docs", "", Open),
        ("GET", "/ui", "", Open),
        ("GET", "/ui/settings.json", "", Open),
        ("POST", "/encode", packet, Open),
        ("POST", "/api/encode", packet, Open),
        ("POST", "/decode", r#"{"protobuf_bytes":""}"#, Open),
        ("POST", "/api/decode", r#"{"protobuf_bytes":""}"#, Open),
        ("POST", "/api/stream-decode", r#"{"protobuf_chunks":[]}"#, Open),
        ("POST", "/api/warp/encode_raw", packet, Open),
        ("GET", "/api/schemas", "", Open),
        ("GET", "/v1/models", "", Open),
        ("GET", "/api/auth/status", "", Admin),
        ("POST", "/api/auth/refresh", "", Admin),
        ("GET", "/api/packets/history", "", Admin),
        ("GET", "/ws", "", Admin),
        ("POST", "/api/warp/send", packet, Service),
        ("POST", "/api/warp/send_stream", packet, Service),
        ("POST", "/api/warp/send_stream_sse", packet, Service),
    ];
    for row in crate::original::paths() {
        assert!(rows.iter().any(|(method, path, ..)| row == (*method, *path)), "{row:?} is not looked at");
    }
    let door = |(method, path, body, access): (_, &str, &str, _)| Door {
        port: Port::Services,
        method,
        path: path.to_owned(),
        content_type: JSON,
        body: body.as_bytes().to_vec(),
        whom: For::Callers(access),
    };
    rows.into_iter().map(door).collect()
}
