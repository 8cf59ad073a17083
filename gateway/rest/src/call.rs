//! Calls a method of any service with bytes: the same call that a generated client makes, wherever the service is.

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::{Request, Response, Status, Streaming};
use warp2api_rpc::encoded::Encoded;
use warp2api_rpc::{Failure, GrpcEndpoint, MAX_MESSAGE_BYTES};

/// The one answer of a method.
pub(crate) async fn unary(
    endpoint: GrpcEndpoint,
    path: PathAndQuery,
    request: Request<Bytes>,
) -> Result<Bytes, Failure> {
    let mut client = client(endpoint);
    ready(&mut client).await?;
    let answered = client.unary(request, path, Encoded).await;
    answered.map(Response::into_inner).map_err(|status| Failure::from(&status))
}

/// The answers of a method that streams. Dropping the stream ends the call.
pub(crate) async fn streaming(
    endpoint: GrpcEndpoint,
    path: PathAndQuery,
    request: Request<Bytes>,
) -> Result<Streaming<Bytes>, Failure> {
    let mut client = client(endpoint);
    ready(&mut client).await?;
    let answered = client.server_streaming(request, path, Encoded).await;
    answered.map(Response::into_inner).map_err(|status| Failure::from(&status))
}

fn client(endpoint: GrpcEndpoint) -> Grpc<GrpcEndpoint> {
    Grpc::new(endpoint)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

async fn ready(client: &mut Grpc<GrpcEndpoint>) -> Result<(), Failure> {
    let ready = client.ready().await;
    ready.map_err(|error| Failure::from(&Status::from_error(Box::new(error))))
}
