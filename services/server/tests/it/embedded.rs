//! What is stored for Warp is left alone by a process that runs on the embedded upstream.

use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{
    AcquireCredentialRequest, CheckCredentialRequest, CreateCredentialRequest, CreateGuestCredentialRequest,
    Credential, GetPoolStatusRequest, ListCredentialsRequest, RefreshCredentialRequest,
};
use warp2api_upstream_sim::EmbeddedCredential;

use crate::pool_client::Upstream;
use crate::program::Program;

async fn connect(program: &Program) -> TokenPoolClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", program.shown("gRPC"))).unwrap();
    TokenPoolClient::new(endpoint.connect().await.unwrap())
}

fn credential(secret: &str) -> CreateCredentialRequest {
    let credential = Credential { secret: secret.to_owned(), ..Credential::default() };
    CreateCredentialRequest { credential: Some(credential), ..CreateCredentialRequest::default() }
}

/// Nothing is configured, so chats run on the embedded upstream; then credentials come, and they are Warp's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_added_without_a_restart_is_kept_for_warp_and_not_worn_out() {
    let (folder, warp) = (tempfile::tempdir().unwrap(), Upstream::start(&["planted-refresh"]).await);
    let settings = [
        ("W2A_DATA_DIR", folder.path().to_str().unwrap()),
        ("WARP_URL", &warp.url),
        ("WARP_FIREBASE_API_KEY", "public"),
    ];
    let program = Program::start(&[], &settings);
    assert_eq!(program.shown("upstream"), "embedded:");
    let mut pool = connect(&program).await;
    let added = pool.create_credential(credential("planted-refresh")).await.unwrap().into_inner().credential;
    let name = added.unwrap().name;

    for _ in 0..9 {
        let lease = pool.acquire_credential(AcquireCredentialRequest::default()).await.unwrap();
        assert_eq!(lease.into_inner().lease.unwrap().bearer, EmbeddedCredential::API_KEY);
    }
    assert!(program.chat("say exactly: embedded").contains("embedded"));
    let refreshed = pool.refresh_credential(RefreshCredentialRequest { name: name.clone() }).await;
    let checked = pool.check_credential(CheckCredentialRequest { name: name.clone() }).await;
    let guest = pool.create_guest_credential(CreateGuestCredentialRequest {}).await;
    for refused in [refreshed.map(drop), checked.map(drop), guest.map(drop)] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
        assert!(refused.message().contains("runs on the embedded upstream"), "{refused:?}");
    }
    let status = pool.get_pool_status(GetPoolStatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.total_count, status.unused_count), (2, 1));
    let listed = pool.list_credentials(ListCredentialsRequest::default()).await.unwrap().into_inner();
    let kept = listed.credentials.into_iter().find(|credential| credential.name == name).unwrap();
    assert_eq!((kept.granted_count, kept.consecutive_failure_count), (0, 0));
    drop(pool);
    program.killed();

    let program = Program::start(&[], &settings);

    assert_eq!(program.shown("upstream"), warp.url);
    let mut pool = connect(&program).await;
    let lease = pool.acquire_credential(AcquireCredentialRequest::default()).await.unwrap().into_inner();
    assert_eq!((lease.lease.unwrap().credential, warp.refresh_tokens().len()), (name, 1));
    drop(pool);
    program.killed();

    // Asked for in so many words, the embedded upstream leaves it alone, too, and says so at the start.
    let show = [settings[0], ("W2A_UPSTREAM", "embedded")];
    let program = Program::start(&[], &show);
    assert!(program.banner.contains("1 personal wait for a start on Warp"), "{}", program.banner);
    program.killed();
}
