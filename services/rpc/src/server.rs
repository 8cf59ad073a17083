//! Puts gRPC services together: health per service, reflection in both versions, deadlines, a reason for every failure.

use std::convert::Infallible;

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::server::HealthReporter;
use tower::Service;

use crate::deadline::DeadlineLayer;
use crate::plain_status::PlainStatusLayer;

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

    /// The router with everything on it. `descriptors` is the encoded descriptor set that reflection answers from.
    ///
    /// # Errors
    /// When the descriptor set cannot be decoded.
    pub async fn finish(
        mut self,
        descriptors: &[u8],
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
        Ok((
            self.routes.routes().prepare().into_axum_router().layer(PlainStatusLayer).layer(DeadlineLayer),
            self.health,
        ))
    }
}
