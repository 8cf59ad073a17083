//! What the house says of its HTTP routes: one document, served with its page at both ports.

use axum::Router;
use warp2api_rest::Route;
use warp2api_rest::openapi::Document;
use warp2api_rpc::listener::Address;

use crate::bridge::Endpoints;

/// The routes of the services at hand.
pub(crate) fn routes(endpoints: &Endpoints) -> anyhow::Result<Vec<Route>> {
    let mut routes = warp2api_rest::routes(warp2api_proto::descriptors::pool())?;
    routes.retain(|route| endpoints.contains_key(route.method.parent_service().full_name()));
    Ok(routes)
}

/// The document and its page for the edge and for the port of the services, each with the scheme and the address of the other one. What
/// cannot be reached over TCP is left out of the other's document.
pub(crate) fn pages(
    routes: Vec<Route>,
    edge: Option<(&'static str, &Address)>,
    bridge: Option<(&'static str, &Address)>,
) -> (Router, Router) {
    let version = env!("CARGO_PKG_VERSION");
    let at = |address: Option<(&str, &Address)>| match address {
        Some((scheme, Address::Tcp(address))) => Some(format!("{scheme}://{address}")),
        Some((_, Address::Unix(_))) | None => None,
    };
    let (edge_at, routes_at) = (at(edge), at(bridge));
    let of_edge = Document {
        routes: if routes_at.is_some() { routes.clone() } else { Vec::new() },
        edge: true,
        routes_at,
        edge_at: None,
        version,
    };
    let of_bridge = Document { routes, edge: edge_at.is_some(), routes_at: None, edge_at, version };
    (warp2api_rest::pages(of_edge), warp2api_rest::pages(of_bridge))
}
