//! Who may see and change credentials: admins alone, and chats go on without them.

use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use warp2api_integration_tests::{House, Topology, ask};
use warp2api_proto::token_pool::v1::ListCredentialsRequest;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;

/// How many credentials the pool shows to a caller with this key.
async fn list(house: &House, key: Option<&str>) -> Result<usize, Status> {
    let mut request = Request::new(ListCredentialsRequest::default());
    if let Some(key) = key {
        request.metadata_mut().insert("x-admin-key", AsciiMetadataValue::try_from(key).unwrap());
    }
    let answer =
        TokenPoolClient::new(house.channel(&house.token_pool).await).list_credentials(request).await?;
    Ok(answer.into_inner().credentials.len())
}

#[tokio::test]
async fn with_an_admin_key_credentials_are_shown_to_who_has_it_and_chats_need_none() {
    for topology in Topology::ALL {
        let house = House::builder()
            .topology(*topology)
            .settings(|settings| settings.admin_key = Some("right".to_owned()))
            .start()
            .await;

        for wrong in [None, Some("wrong")] {
            let refused = list(&house, wrong).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
            let details = refused.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "ADMIN_KEY_INVALID");
            assert!(refused.message().contains("W2A_ADMIN_KEY"), "{}", refused.message());
        }
        assert_eq!(list(&house, Some("right")).await.unwrap(), 1);
        assert_eq!(house.chat(&ask("hello")).await.0, 200, "{topology:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn without_one_a_house_that_others_can_reach_shows_them_to_nobody() {
    let house =
        House::builder().settings(|settings| settings.grpc_addr = Some("0.0.0.0:0".to_owned())).start().await;

    let refused = list(&house, Some("any")).await.unwrap_err();

    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, "ADMIN_NOT_ALLOWED");
    assert_eq!(house.chat(&ask("hello")).await.0, 200);
    for running in { house }.take_running() {
        assert!(running.drain(std::future::pending()).await);
    }
}
