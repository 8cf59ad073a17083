//! A route, read from the `google.api.http` annotation of a method.
//!
//! What is wrong with an annotation is found when routes are read, at the start and in tests, never in a request.

use http::Method;
use http::uri::PathAndQuery;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};

use crate::template::{Template, TemplateError};

/// One way to call a method.
#[derive(Debug, Clone)]
pub struct Route {
    /// The HTTP method.
    pub http_method: Method,
    /// The path.
    pub template: Template,
    /// Where the body of the request goes.
    pub body: Body,
    /// The field of the response that is the body of the answer. The whole response if `None`.
    pub response_body: Option<FieldDescriptor>,
    /// What is called.
    pub method: MethodDescriptor,
    /// The path as it is annotated, for example `/v1/{name=credentials/*}`.
    pub path: String,
    /// The method as gRPC's path.
    pub(crate) grpc_path: PathAndQuery,
}

/// Where the body of a request goes.
#[derive(Debug, Clone)]
pub enum Body {
    /// There is none; fields that are not in the path are in the query.
    None,
    /// Every field that is not in the path.
    Whole,
    /// This field; the others are in the query.
    Field(FieldDescriptor),
}

/// An annotation that makes no route.
#[derive(Debug, thiserror::Error)]
#[error("{method}: {problem}")]
pub struct RouteError {
    method: String,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the path {0}")]
    Template(#[from] TemplateError),
    #[error("there is no HTTP method")]
    NoMethod,
    #[error("there is no field `{0}`, or it cannot stand there")]
    Field(String),
    #[error("a method to which the client streams has no form in HTTP")]
    ClientStreams,
    #[error("the path is that of another method too")]
    Conflict,
    #[error("the descriptors do not hold `google.api.http`")]
    NoAnnotations,
}

/// The routes of every method of ours that is annotated, those that say most first: the first that matches is meant.
///
/// # Errors
/// When an annotation makes no sense or two routes are the same.
pub fn routes(pool: &DescriptorPool) -> Result<Vec<Route>, RouteError> {
    let http = pool.get_extension_by_name("google.api.http");
    let Some(http) = http else {
        return Err(RouteError { method: String::new(), problem: Problem::NoAnnotations });
    };
    let mut routes: Vec<Route> = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = method.options();
        if !options.has_extension(&http) {
            continue;
        }
        let failed = |problem| RouteError { method: method.full_name().to_owned(), problem };
        let rule = options.get_extension(&http);
        let Some(rule) = rule.as_message() else { continue };
        let additional = rule.get_field_by_name("additional_bindings");
        let additional = additional.iter().filter_map(|list| list.as_list()).flatten();
        for rule in std::iter::once(rule).chain(additional.filter_map(Value::as_message)) {
            let route = read(&method, rule).map_err(failed)?;
            let same = |other: &Route| {
                other.http_method == route.http_method && other.template.is_same_path(&route.template)
            };
            if routes.iter().any(same) {
                return Err(failed(Problem::Conflict));
            }
            routes.push(route);
        }
    }
    routes.sort_by_key(|route| std::cmp::Reverse(route.template.weight()));
    Ok(routes)
}

fn read(method: &MethodDescriptor, rule: &DynamicMessage) -> Result<Route, Problem> {
    if method.is_client_streaming() {
        return Err(Problem::ClientStreams);
    }
    let (http_method, text) = pattern(rule).ok_or(Problem::NoMethod)?;
    let template = Template::parse(&text)?;
    let input = method.input();
    for name in template.fields() {
        let field = field_at(&input, name).ok_or_else(|| Problem::Field(name.to_owned()))?;
        if field.is_list() || field.is_map() || matches!(field.kind(), Kind::Message(_)) {
            return Err(Problem::Field(name.to_owned()));
        }
    }
    let body = match string(rule, "body").as_str() {
        "" => Body::None,
        "*" => Body::Whole,
        name => Body::Field(message_field(&input, name)?),
    };
    let response_body = match string(rule, "response_body").as_str() {
        "" => None,
        name => Some(method.output().get_field_by_name(name).ok_or_else(|| Problem::Field(name.to_owned()))?),
    };
    let grpc_path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let grpc_path = PathAndQuery::try_from(grpc_path).map_err(|_| Problem::NoMethod)?;
    Ok(Route { http_method, template, body, response_body, method: method.clone(), grpc_path, path: text })
}

/// The HTTP method and the path of a rule.
fn pattern(rule: &DynamicMessage) -> Option<(Method, String)> {
    let methods = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    for (name, method) in methods {
        if rule.has_field_by_name(name) {
            return Some((method, string(rule, name)));
        }
    }
    let custom = rule.get_field_by_name("custom")?;
    let custom = custom.as_message().filter(|_| rule.has_field_by_name("custom"))?;
    Some((Method::from_bytes(string(custom, "kind").as_bytes()).ok()?, string(custom, "path")))
}

fn string(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    value.as_ref().and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

fn message_field(message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, Problem> {
    let field = message.get_field_by_name(name);
    let field = field.filter(|field| !field.is_list() && matches!(field.kind(), Kind::Message(_)));
    field.ok_or_else(|| Problem::Field(name.to_owned()))
}

/// The field that names joined by dots lead to.
fn field_at(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    match path.split_once('.') {
        None => message.get_field_by_name(path),
        Some((first, rest)) => match message.get_field_by_name(first)?.kind() {
            Kind::Message(inner) => field_at(&inner, rest),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pool;

    fn of(annotation: &str) -> Result<Vec<Route>, String> {
        let method = format!("rpc Do(A) returns (A) {{ option (google.api.http) = {{{annotation}}}; }}");
        routes(&pool(&method)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_annotated_method_of_the_contract_makes_routes() {
        let routes = routes(warp2api_proto::descriptors::pool()).unwrap();

        let texts: Vec<_> =
            routes.iter().map(|route| format!("{} {}", route.http_method, route.path)).collect();
        for expected in [
            "GET /v1/messageTypes",
            "GET /v1/{name=messageTypes/*}",
            "POST /v1/{name=messageTypes/*}:encode",
            "POST /v1/{model=chatModels/*}:streamChat",
        ] {
            assert!(texts.iter().any(|text| text == expected), "{texts:?}");
        }
        let verbs: Vec<_> = routes.iter().map(|route| route.template.verb().is_some()).collect();
        assert!(verbs.is_sorted_by(|a, b| a >= b), "those with a verb come first");
    }

    #[test]
    fn additional_bindings_are_routes_of_their_own() {
        let routes = of(r#"get: "/a/{text}" additional_bindings { post: "/b" body: "*" }
                          additional_bindings { custom { kind: "REPORT" path: "/c" } }"#)
        .unwrap();

        let mut found: Vec<_> = routes.iter().map(|r| (r.http_method.as_str(), r.path.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, [("GET", "/a/{text}"), ("POST", "/b"), ("REPORT", "/c")]);
    }

    #[test]
    fn annotations_that_make_no_sense_are_refused() {
        for (annotation, problem) in [
            (r#"body: "*""#, "there is no HTTP method"),
            (r#"get: "v1""#, "the path does not begin with `/`"),
            (r#"get: "/v1/{nothing}""#, "there is no field `nothing`, or it cannot stand there"),
            (r#"get: "/v1/{inner}""#, "there is no field `inner`, or it cannot stand there"),
            (r#"get: "/v1/{texts}""#, "there is no field `texts`, or it cannot stand there"),
            (r#"get: "/v1/{inner.text.x}""#, "there is no field `inner.text.x`, or it cannot stand there"),
            (r#"post: "/v1" body: "text""#, "there is no field `text`, or it cannot stand there"),
            (r#"get: "/v1" response_body: "x""#, "there is no field `x`, or it cannot stand there"),
            (
                r#"get: "/v1/{text}" additional_bindings { get: "/v1/{inner.text}" }"#,
                "the path is that of another method too",
            ),
        ] {
            assert_eq!(of(annotation).unwrap_err(), format!("test.v1.S.Do: {problem}"), "{annotation}");
        }
    }
}
