//! The contract as an OpenAPI 3.1 document, for people and for tools that make clients.
//!
//! Made from the same descriptors as the routes; comments are the descriptions. The edge's own routes, which are not in
//! the contract, come from the tables of its dialects. Written once, when it is first asked for.

mod comments;
mod dialects;
mod operation;
mod schema;

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value, json};

use crate::route::Route;
use schema::Schemas;

/// What a document is about.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The routes of the contract that are served, none of them if they are not.
    pub routes: Vec<Route>,
    /// Whether the edge is served.
    pub edge: bool,
    /// The addresses of the routes of the contract and of the edge, `http://host:port`, where they are another port's.
    /// Relative to the document otherwise.
    pub routes_at: Option<String>,
    /// The same of the edge.
    pub edge_at: Option<String>,
    /// The version of the program.
    pub version: &'static str,
}

impl Document {
    /// The document.
    pub fn json(&self) -> Value {
        let mut schemas = Schemas::new(&self.routes);
        let mut paths = Paths::default();
        let mut tags = Vec::new();
        if self.edge {
            tags.push(json!({ "name": dialects::TAG, "description": dialects::ABOUT }));
            for (method, path, operation) in dialects::operations(&mut schemas) {
                paths.add(&path, &method, operation, self.edge_at.as_deref());
            }
        }
        let mut seen = BTreeSet::new();
        // In the order of the contract, not in that of matching.
        let mut routes: Vec<_> = self.routes.iter().collect();
        routes.sort_by_key(|route| {
            (route.method.parent_service().full_name().to_owned(), route.method.path().to_vec())
        });
        for route in routes {
            let service = route.method.parent_service();
            if seen.insert(service.full_name().to_owned()) {
                let about = comments::of(service);
                tags.push(json!({ "name": service.name(), "description": about }));
            }
            let (path, operation) = operation::of(route, &mut schemas);
            paths.add(&path, &route.http_method, operation, self.routes_at.as_deref());
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Warp2Api",
                "version": self.version,
                "description": ABOUT,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "tags": tags,
            "paths": paths.0,
            "components": {
                "schemas": schemas.into_components(),
                "responses": operation::error_responses(),
                "securitySchemes": {
                    "bearer": { "type": "http", "scheme": "bearer", "description": "A key as `Authorization: Bearer KEY`: \
                        one of `API_TOKEN` for the OpenAI routes, one of `W2A_ADMIN_KEY` for credentials." },
                    "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same as a header." },
                    "adminKey": { "type": "apiKey", "in": "header", "name": "x-admin-key",
                        "description": "One of `W2A_ADMIN_KEY`. Where none is set, programs of the same machine need none." },
                },
            },
        })
    }
}

const ABOUT: &str = "An OpenAI-compatible edge in front of Warp's AI backend, and the services behind it.\n\n\
    The routes of Codec, TokenPool and WarpChat are the methods of the gRPC contract, in proto3 JSON: fields with their \
    default value are left out of answers, 64-bit integers are strings, bytes are base64, names of fields may be given \
    in snake_case too. Unknown fields and query parameters are refused. `x-request-timeout` (seconds) or `grpc-timeout` \
    sets a deadline, `x-request-id` and `traceparent` go along. Streams are server-sent events, one `data:` line of JSON \
    for each message and an error object last if the stream fails; with `Accept: application/x-ndjson` they are lines \
    of JSON.";

/// Operations by path and method.
#[derive(Debug, Default)]
struct Paths(Map<String, Value>);

impl Paths {
    fn add(&mut self, path: &str, method: &Method, mut operation: Value, at: Option<&str>) {
        if let Some(address) = at {
            operation["servers"] = json!([server(address)]);
        }
        let item = self.0.entry(path).or_insert_with(|| json!({}));
        item[method.as_str().to_ascii_lowercase()] = operation;
    }
}

/// An address on another port of the host that the document came from, as far as a document can say it.
fn server(address: &str) -> Value {
    let port = address.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
    match port {
        Some(port) => json!({
            "url": format!("http://{{host}}:{port}"),
            "variables": { "host": { "default": "127.0.0.1" } },
        }),
        None => json!({ "url": address }),
    }
}

#[cfg(test)]
mod tests;
