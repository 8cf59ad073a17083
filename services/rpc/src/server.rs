//! Puts gRPC services together: health per service, reflection in both versions, deadlines, a reason for every failure.

use std::convert::Infallible;

use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::server::HealthReporter;
use tower::Service;

use crate::deadline::DeadlineLayer;
use crate::last_call::LastCallLayer;
use crate::meter::CallMeter;
use crate::plain_status::PlainStatusLayer;
use crate::trace::{Side, TraceLayer};

/// Collects services into one router.
#[derive(Debug)]
pub struct GrpcServer {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    health: Health,
}

/// Tells health checkers how the services are.
#[derive(Debug, Clone)]
pub struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
}

impl Health {
    /// Says that the services are on their way down: new work should go elsewhere.
    pub async fn set_not_serving(&self) {
        for name in &self.names {
            self.reporter.set_service_status(name, tonic_health::ServingStatus::NotServing).await;
        }
    }

    /// Says how one of them is. A name that is none of theirs is left alone.
    pub async fn set(&self, name: &str, serving: bool) {
        if self.names.contains(&name) {
            let status = if serving {
                tonic_health::ServingStatus::Serving
            } else {
                tonic_health::ServingStatus::NotServing
            };
            self.reporter.set_service_status(name, status).await;
        }
    }

    async fn set_serving(&self) {
        for name in &self.names {
            self.reporter.set_service_status(name, tonic_health::ServingStatus::Serving).await;
        }
    }
}

impl Default for GrpcServer {
    fn default() -> Self {
        Self {
            routes: Routes::builder(),
            names: Vec::new(),
            // The empty name is the whole server.
            health: Health { reporter: HealthReporter::new(), names: vec![""] },
        }
    }
}

impl GrpcServer {
    /// Adds a service.
    #[must_use]
    pub fn with_service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        self.health.names.push(S::NAME);
        self
    }

    /// Tells health checkers about something that is no service: `name`.
    #[must_use]
    pub fn with_health_of(mut self, name: &'static str) -> Self {
        self.health.names.push(name);
        self
    }

    /// The router with everything on it; what still runs when `last_call` is cancelled ends with a word. `descriptors` is the encoded descriptor set that reflection answers from.
    ///
    /// # Errors
    /// When the descriptor set cannot be decoded.
    pub async fn finish(
        mut self,
        descriptors: &[u8],
        last_call: CancellationToken,
    ) -> Result<(axum::Router, Health), tonic_reflection::server::Error> {
        let reflection = || {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(descriptors)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            let names = self.names.iter().chain([&"grpc.health.v1.Health"]);
            names.fold(builder, |builder, name| builder.with_service_name(*name))
        };
        let (v1, v1alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
        self.health.set_serving().await;
        let health = tonic_health::pb::health_server::HealthServer::new(
            tonic_health::server::HealthService::from_health_reporter(self.health.reporter.clone()),
        );
        self.routes.add_service(v1).add_service(v1alpha).add_service(health);
        let router = self.routes.routes().prepare().into_axum_router();
        let router = router
            .layer(PlainStatusLayer)
            .layer(TraceLayer::new(Side::Server, axum::body::Body::new))
            .layer(LastCallLayer(last_call))
            .layer(DeadlineLayer)
            .layer(CallMeter);
        Ok((router, self.health))
    }
}
