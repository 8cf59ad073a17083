//! Which route a request is for.

use http::Method;

use crate::route::Route;
use crate::template::{Captured, NotText};

/// Every route, those that say most first.
#[derive(Debug)]
pub struct Table(Vec<Route>);

/// What a method and a path lead to.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// To this route, and what the path says.
    Route(&'a Route, Result<Vec<Captured>, NotText>),
    /// To routes with these other methods.
    OtherMethods(Vec<Method>),
    /// To nothing.
    Nothing,
}

impl Table {
    /// A table of routes in the order of [`routes`](crate::routes).
    pub fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// The routes.
    pub fn routes(&self) -> &[Route] {
        &self.0
    }

    /// The route of a method and a percent-encoded path. HEAD is answered as GET.
    ///
    /// A path that ends in the verb of a route is meant for that route, even where another template would take the
    /// verb for a part of a name: whoever has a name like that writes its colon as `%3A`.
    pub fn find(&self, method: &Method, path: &str) -> Lookup<'_> {
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        let mut others: Vec<Method> = Vec::new();
        let mut with_verb = false;
        for route in &self.0 {
            let Some(captured) = route.template.matches(path) else { continue };
            if route.template.verb().is_none() && with_verb {
                break;
            }
            with_verb = route.template.verb().is_some();
            if route.http_method == *wanted {
                return Lookup::Route(route, captured);
            }
            if !others.contains(&route.http_method) {
                others.push(route.http_method.clone());
            }
        }
        if others.is_empty() { Lookup::Nothing } else { Lookup::OtherMethods(others) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::routes;
    use crate::testing::pool;

    fn table() -> Table {
        let method = |name: &str, rule: &str| {
            format!("rpc {name}(A) returns (A) {{ option (google.api.http) = {{{rule}}}; }}")
        };
        let methods = [
            method("Get", r#"get: "/v1/{text=things/*}""#),
            method("Update", r#"patch: "/v1/{text=things/*}" body: "*""#),
            method("Best", r#"get: "/v1/things/best""#),
            method("Do", r#"post: "/v1/{text=things/*}:do" body: "*""#),
        ];
        Table::new(routes(&pool(&methods.concat())).unwrap())
    }

    fn found(table: &Table, method: &str, path: &str) -> String {
        match table.find(&method.parse().unwrap(), path) {
            Lookup::Route(route, captured) => {
                let values: Vec<_> = captured.unwrap().into_iter().map(|one| one.value).collect();
                format!("{} {}", route.method.name(), values.concat())
            }
            Lookup::OtherMethods(methods) => format!("{methods:?}"),
            Lookup::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_request_finds_its_route() {
        let table = table();
        for (method, path, expected) in [
            ("GET", "/v1/things/a", "Get things/a"),
            ("HEAD", "/v1/things/a", "Get things/a"),
            ("PATCH", "/v1/things/a", "Update things/a"),
            ("GET", "/v1/things/best", "Best "),
            ("PATCH", "/v1/things/best", "Update things/best"),
            ("POST", "/v1/things/a:do", "Do things/a"),
            ("GET", "/v1/things/a:do", "[POST]"),
            ("GET", "/v1/things/a%3Ado", "Get things/a:do"),
            ("GET", "/v1/things/a:other", "Get things/a:other"),
            ("POST", "/v1/things/a", "[GET, PATCH]"),
            ("OPTIONS", "/v1/things/a", "[GET, PATCH]"),
            ("GET", "/v1/things", "nothing"),
            ("GET", "/v1/things/a/b", "nothing"),
        ] {
            assert_eq!(found(&table, method, path), expected, "{method} {path}");
        }
    }
}
