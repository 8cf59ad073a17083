//! Houses whose pool outlives them: in a folder, and in a PostgreSQL.

use std::path::Path;

use serde_json::json;
use warp2api_integration_tests::{House, HouseBuilder, ask};
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{Credential, ListCredentialsRequest};
use warp2api_upstream_sim::{Simulator, SimulatorConfig};

#[path = "../../../services/token-pool/tests/it/postgres.rs"]
mod postgres;

async fn credential(house: &House) -> Credential {
    let mut pool = TokenPoolClient::new(house.channel(&house.token_pool).await);
    let listed = pool.list_credentials(ListCredentialsRequest::default()).await.unwrap().into_inner();
    listed.credentials.into_iter().next().unwrap()
}

/// Chats in one house after the other, on one upstream; each finds the pool as the one before left it.
async fn one_after_the_other(kept: impl Fn(HouseBuilder) -> HouseBuilder) {
    let simulator = Simulator::new(SimulatorConfig::without_credentials().exchanging("planted-refresh"));
    for chats in 1..=3 {
        let house = kept(House::builder().simulator(simulator.clone()))
            .remote_upstream()
            .settings(|settings| {
                settings.warp_refresh_token = Some("planted-refresh".to_owned());
                settings.warp_firebase_api_key = Some("public".to_owned());
            })
            .start()
            .await;

        let (status, body) = house.chat(&ask("say exactly: still here")).await;

        assert_eq!(
            (status, &body["choices"][0]["message"]["content"]),
            (200, &json!("still here")),
            "{body}"
        );
        assert_eq!(credential(&house).await.granted_count, chats);
        house.close().await;
    }
    assert_eq!(simulator.record().exchanges().len(), 1, "the access token served all of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_goes_on_with_the_pool_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();

    one_after_the_other(|house| house.kept_in(folder.path())).await;

    assert!(Path::new(folder.path()).join("pool.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_goes_on_with_the_pool_of_its_postgres() {
    let Some(database) = postgres::TestDatabase::create().await else { return };

    one_after_the_other(|house| house.kept_in_postgres(&database.url, &database.key)).await;
}
