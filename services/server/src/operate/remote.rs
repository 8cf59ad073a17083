//! The way to a house of ours: never through a proxy.

use warp2api_rpc::HttpEndpoint;
use warp2api_rpc::http_endpoint::{RemoteHttp, remote};

pub(super) fn client() -> Result<HttpEndpoint, String> {
    remote(&RemoteHttp::default()).map_err(|error| error.to_string())
}
