//! Calls of `TokenPool`, each with its key and its time, lists with all their pages.

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::*;
use warp2api_rpc::GrpcEndpoint;
use warp2api_rpc::endpoint::Place;

use super::failure::{Failure, Refusal};
use crate::config::Config;
use crate::operate::chain;
use crate::trust;

/// How long a call may take. Some ask the upstream, more than once.
const PATIENCE: Duration = Duration::from_secs(90);
const PAGE: i32 = 1000;
/// More pages than any pool has.
const MAX_PAGES: usize = 1000;

/// A pool that can be called.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pool: TokenPoolClient<GrpcEndpoint>,
    key: Option<MetadataValue<Ascii>>,
    /// Where it is, for people.
    place: String,
    /// The address and the settings it is reached with, if it is a service.
    reached: Option<(String, Arc<Config>)>,
}

/// Calls a method and takes its answer.
macro_rules! call {
    ($client:expr, $method:ident, $message:expr) => {{
        let mut pool = $client.pool.clone();
        let answer = pool.$method($client.request($message)).await;
        answer.map(Response::into_inner).map_err(|status| $client.refusal(&status))
    }};
}

impl Client {
    /// The pool behind `endpoint`. `key` is the admin key to send.
    ///
    /// # Errors
    /// When no header can carry the key.
    pub(super) fn new(endpoint: GrpcEndpoint, key: Option<&str>, place: String) -> Result<Self, Failure> {
        let value = |key: &str| {
            let mut value: MetadataValue<Ascii> = key.parse().map_err(|_| {
                Failure::Usage(
                    "admin_key (W2A_ADMIN_KEY): has characters that no header can carry".to_owned(),
                )
            })?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        };
        Ok(Self {
            pool: TokenPoolClient::new(endpoint),
            key: key.map(value).transpose()?,
            place,
            reached: None,
        })
    }

    /// With what is needed to say why a service cannot be reached.
    pub(super) fn of_service(mut self, place: &Place, config: &Config) -> Self {
        self.reached = Some((place.to_string(), Arc::new(config.clone())));
        self
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(PATIENCE);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("x-admin-key", key.clone());
        }
        request
    }

    fn refusal(&self, status: &Status) -> Failure {
        let (place, with_key) = (self.place.clone(), self.key.is_some());
        let failure = warp2api_rpc::Failure::from(status);
        // Only what did not reach a service is TLS's.
        let reached = self.reached.as_ref().filter(|_| failure.reason == ErrorReason::ServiceUnreachable);
        let advice = reached.and_then(|(url, config)| trust::advice(&chain(status), url, config));
        Failure::Call(Box::new(Refusal { place, with_key, advice, failure }))
    }

    /// The credentials of a tier and in a state, where these are given.
    pub(super) async fn list(
        &self,
        tier: Option<CredentialTier>,
        state: Option<CredentialState>,
    ) -> Result<Vec<Credential>, Failure> {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let (tier, state) = (tier.unwrap_or_default().into(), state.unwrap_or_default().into());
            let request = ListCredentialsRequest { page_size: PAGE, page_token, tier, state };
            let page: ListCredentialsResponse = call!(self, list_credentials, request)?;
            found.extend(page.credentials);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// The latest `limit` events of the trail, perhaps of one credential alone.
    pub(super) async fn audit(&self, credential: &str, limit: usize) -> Result<Vec<AuditEvent>, Failure> {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let page_size = i32::try_from(limit - found.len()).unwrap_or(PAGE).min(PAGE);
            let request = ListAuditEventsRequest { page_size, page_token, credential: credential.to_owned() };
            let page: ListAuditEventsResponse = call!(self, list_audit_events, request)?;
            found.extend(page.audit_events);
            page_token = page.next_page_token;
            if page_token.is_empty() || found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    pub(super) async fn create(&self, request: CreateCredentialRequest) -> Result<Credential, Failure> {
        Ok(call!(self, create_credential, request)?.credential.unwrap_or_default())
    }

    pub(super) async fn update(&self, request: UpdateCredentialRequest) -> Result<Credential, Failure> {
        Ok(call!(self, update_credential, request)?.credential.unwrap_or_default())
    }

    pub(super) async fn delete(&self, name: String, etag: String) -> Result<(), Failure> {
        call!(self, delete_credential, DeleteCredentialRequest { name, etag }).map(drop)
    }

    pub(super) async fn refresh(&self, name: String) -> Result<Credential, Failure> {
        Ok(call!(self, refresh_credential, RefreshCredentialRequest { name })?.credential.unwrap_or_default())
    }

    pub(super) async fn recover(&self, name: String) -> Result<Credential, Failure> {
        Ok(call!(self, recover_credential, RecoverCredentialRequest { name })?.credential.unwrap_or_default())
    }

    pub(super) async fn enable(&self, name: String) -> Result<Credential, Failure> {
        Ok(call!(self, enable_credential, EnableCredentialRequest { name })?.credential.unwrap_or_default())
    }

    pub(super) async fn disable(&self, name: String, reason: String) -> Result<Credential, Failure> {
        let request = DisableCredentialRequest { name, reason };
        Ok(call!(self, disable_credential, request)?.credential.unwrap_or_default())
    }

    pub(super) async fn check(&self, name: String) -> Result<CheckCredentialResponse, Failure> {
        call!(self, check_credential, CheckCredentialRequest { name })
    }

    pub(super) async fn guest(&self) -> Result<CreateGuestCredentialResponse, Failure> {
        call!(self, create_guest_credential, CreateGuestCredentialRequest {})
    }

    pub(super) async fn status(&self) -> Result<GetPoolStatusResponse, Failure> {
        call!(self, get_pool_status, GetPoolStatusRequest {})
    }

    pub(super) async fn rotate_key(&self) -> Result<RotateStoreKeyResponse, Failure> {
        call!(self, rotate_store_key, RotateStoreKeyRequest {})
    }
}
