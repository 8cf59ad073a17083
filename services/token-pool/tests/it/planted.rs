//! Planted secrets through every method of admins, whatever comes of the call: none is in an answer, in a status, in the
//! bytes of its details, in what is printed of either, or in the log.

use std::fmt::Debug;

use futures_util::StreamExt as _;
use prost::Message;
use prost_types::FieldMask;
use tonic::service::Routes;
use tonic::{Response, Status};
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPoolServer;
use warp2api_proto::token_pool::v1::*;
use warp2api_rpc::{GrpcEndpoint, endpoint};
use warp2api_token_pool::{Pool, Tier};

use crate::account::Upstream;
use crate::bench::{Answer, Endpoint, config, key, pool_with};
use crate::secrets::Log;

const REFRESH: &str = "planted-refresh";
const KEY: &str = "wk-1.planted";

type Client = TokenPoolClient<GrpcEndpoint>;

/// Everything that was shown, in bytes and as it is printed.
#[derive(Default)]
struct Shown {
    bytes: Vec<u8>,
    good: usize,
    refused: usize,
}

impl Shown {
    fn add<T: Message + Debug>(&mut self, method: &str, answer: Result<Response<T>, Status>) -> Option<T> {
        match answer {
            Ok(response) => {
                self.good += 1;
                self.bytes.extend(format!("\n{method}: {response:?}\n").as_bytes());
                let message = response.into_inner();
                self.bytes.extend(message.encode_to_vec());
                Some(message)
            }
            Err(status) => {
                self.status(method, &status);
                None
            }
        }
    }

    fn status(&mut self, method: &str, status: &Status) {
        self.refused += 1;
        self.bytes.extend(format!("\n{method}: {status} {status:?} {:?}\n", status.metadata()).as_bytes());
        self.bytes.extend(status.message().as_bytes());
        self.bytes.extend(status.details());
    }

    /// Fails with what is around the first leak.
    fn check(&self) {
        for secret in ["planted", "access-"] {
            let found = self.bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
            let around = found.map(|at| {
                String::from_utf8_lossy(&self.bytes[at.saturating_sub(300)..(at + 60).min(self.bytes.len())])
                    .into_owned()
            });
            assert_eq!(around, None);
        }
    }
}

fn client(pool: &Pool, upstream: &Upstream) -> Client {
    TokenPoolClient::new(endpoint::local(Routes::new(TokenPoolServer::new(upstream.service(pool)))))
}

fn credential(secret: &str, more: Credential) -> CreateCredentialRequest {
    let credential = Credential { secret: secret.to_owned(), ..more };
    CreateCredentialRequest {
        credential: Some(credential),
        credential_id: String::new(),
        request_id: String::new(),
        validate_only: false,
    }
}

/// Calls with secrets where they belong, and where they do not.
async fn create_and_update(client: &mut Client, shown: &mut Shown) -> Vec<String> {
    let plain = Credential::default;
    let mut names = Vec::new();
    for secret in [REFRESH, KEY, "planted-jwt-that-is-none"] {
        let created = client.create_credential(credential(secret, plain())).await;
        names.extend(shown.add("create", created).map(|created| created.credential.unwrap().name));
        let again = client.create_credential(credential(secret, plain())).await;
        assert!(shown.add("create", again).is_none(), "it is there already");
    }
    let own = |credential_id: &str, request_id: &str, secret: &str| CreateCredentialRequest {
        credential_id: credential_id.to_owned(),
        request_id: request_id.to_owned(),
        ..credential(secret, plain())
    };
    for wrong in [
        credential("planted with spaces", plain()),
        credential("", plain()),
        credential(KEY, Credential { kind: CredentialKind::RefreshToken.into(), ..plain() }),
        credential("planted-2", Credential { kind: CredentialKind::Embedded.into(), ..plain() }),
        credential("planted-2", Credential { tier: 9, ..plain() }),
        credential("planted-2", Credential { display_name: "wk-1.planted/name".to_owned(), ..plain() }),
        credential("planted-2", Credential { max_in_flight: -1, ..plain() }),
        own("Planted/id", "", "planted-2"),
        own("", &"planted".repeat(30), "planted-2"),
        own(names[0].strip_prefix("credentials/").unwrap(), "", "planted-2"),
        CreateCredentialRequest::default(),
    ] {
        let answer = client.create_credential(wrong).await;
        let made = shown.add("create", answer);
        assert!(made.is_none(), "{made:?}");
    }
    let made = shown.add("create", client.create_credential(own("", "request", "planted-3")).await);
    assert!(made.is_some());
    let reused = client.create_credential(own("", "request", "planted-4")).await;
    assert!(shown.add("create", reused).is_none());

    let update = |sent: Credential, path: &str| UpdateCredentialRequest {
        credential: Some(sent),
        update_mask: Some(FieldMask { paths: vec![path.to_owned()] }),
    };
    let named = |name: &str| Credential { name: name.to_owned(), ..plain() };
    let replaced = Credential { secret: "planted-replaced".to_owned(), ..named(&names[2]) };
    let updated = client.update_credential(update(replaced, "secret")).await;
    assert!(shown.add("update", updated).is_some());
    for (sent, path) in [
        (Credential { secret: KEY.to_owned(), ..named(&names[2]) }, "secret"),
        (Credential { secret: "planted with spaces".to_owned(), ..named(&names[0]) }, "secret"),
        (Credential { etag: "planted-etag".to_owned(), ..named(&names[0]) }, "display_name"),
        (Credential { display_name: "planted/name".to_owned(), ..named(&names[0]) }, "display_name"),
        (named(&names[0]), "planted_path"),
        (named("planted!"), "display_name"),
        (plain(), "display_name"),
    ] {
        let answer = client.update_credential(update(sent, path)).await;
        assert!(shown.add("update", answer).is_none(), "{path}");
    }
    names
}

/// Refreshes and checks, with a token endpoint and accounts that quote what they were sent.
async fn refresh_and_check(
    client: &mut Client,
    shown: &mut Shown,
    endpoint: &Endpoint,
    upstream: &Upstream,
    names: &[String],
) {
    for answer in [
        Answer::Token,
        Answer::Rotate("planted-rotated"),
        Answer::Error(400, "INVALID_REFRESH_TOKEN : planted-refresh"),
        Answer::Error(500, "planted-refresh"),
        Answer::Hang,
    ] {
        for token in [REFRESH, "planted-rotated"] {
            endpoint.next(token, answer.clone());
        }
        for name in [names[0].as_str(), names[1].as_str(), "credentials/nobody", "planted!"] {
            let name = name.to_owned();
            let refreshed = client.refresh_credential(RefreshCredentialRequest { name: name.clone() }).await;
            shown.add("refresh", refreshed);
            shown.add("check", client.check_credential(CheckCredentialRequest { name }).await);
        }
    }
    for (status, words) in [
        (200, r#"{"errors":[{"message":"bearer wk-1.planted is bad"}]}"#),
        (200, r#"{"data":{"user":"planted"}}"#),
        (200, "planted"),
        (401, "planted"),
        (500, "planted"),
    ] {
        upstream.refuses(status, words);
        let checked = client.check_credential(CheckCredentialRequest { name: names[1].clone() }).await;
        assert!(shown.add("check", checked).is_some(), "what is wrong with it is in the answer");
    }
    for (status, words) in [(500, "planted"), (200, r#"{"errors":[{"message":"no guests"}]}"#)] {
        upstream.refuses(status, words);
        let guest = client.create_guest_credential(CreateGuestCredentialRequest {}).await;
        assert!(shown.add("guest", guest).is_none());
    }
    let guest = client.create_guest_credential(CreateGuestCredentialRequest {}).await;
    assert!(shown.add("guest", guest).is_some());
}

/// Everything that shows or changes what is there.
async fn look_and_decide(client: &mut Client, shown: &mut Shown, names: &[String]) {
    for reason in ["planted-refresh was stolen", "it is wk-1.planted", "access-1 leaked", ""] {
        for name in names.iter().map(String::as_str).chain(["credentials/nobody", "planted!"]) {
            let (name, mut reason) = (name.to_owned(), reason.to_owned());
            // Words that hold the credential's own secret are dropped; others are the operator's to choose.
            let is_own =
                reason.contains(REFRESH) && name == names[0] || reason.contains(KEY) && name == names[1];
            if !is_own {
                reason.clear();
            }
            let request = DisableCredentialRequest { name: name.clone(), reason };
            shown.add("disable", client.disable_credential(request).await);
            let request = GetCredentialRequest { name: name.clone() };
            shown.add("get", client.get_credential(request).await);
            shown.add(
                "enable",
                client.enable_credential(EnableCredentialRequest { name: name.clone() }).await,
            );
            shown.add("recover", client.recover_credential(RecoverCredentialRequest { name }).await);
        }
    }
    for page_token in ["", "planted"] {
        let page_token = page_token.to_owned();
        let request = ListCredentialsRequest { page_token: page_token.clone(), ..Default::default() };
        shown.add("list", client.list_credentials(request).await);
        let request = ListAuditEventsRequest { page_size: 1000, page_token, ..Default::default() };
        shown.add("audit", client.list_audit_events(request).await);
    }
    shown.add("status", client.get_pool_status(GetPoolStatusRequest {}).await);
    shown.add("rotate", client.rotate_store_key(RotateStoreKeyRequest {}).await);
    let mut watch = client.watch_credentials(WatchCredentialsRequest {}).await.unwrap().into_inner();
    for _ in 0..=names.len() {
        let event = watch.next().await.unwrap();
        shown.add("watch", event.map(Response::new));
    }
    for name in
        names.iter().map(String::as_str).chain(["credentials/guest", "credentials/nobody", "planted!"])
    {
        for etag in ["planted-etag", ""] {
            let request = DeleteCredentialRequest { name: name.to_owned(), etag: etag.to_owned() };
            shown.add("delete", client.delete_credential(request).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_method_of_admins_shows_a_secret_whatever_comes_of_it() {
    let (log, mut shown) = (Log::default(), Shown::default());
    let guard = log.listen();
    let (endpoint, upstream) = (Endpoint::default(), Upstream::default());
    let mut settings = key(Tier::Shared, "wk-1.planted-setting");
    settings.display_name = None;
    let pool = pool_with(config(), vec![settings], &endpoint);
    let mut client = client(&pool, &upstream);

    let names = create_and_update(&mut client, &mut shown).await;
    refresh_and_check(&mut client, &mut shown, &endpoint, &upstream, &names).await;
    look_and_decide(&mut client, &mut shown, &names).await;

    drop(guard);
    assert!(shown.good > 50 && shown.refused > 50, "{} and {}", shown.good, shown.refused);
    let text = log.text();
    assert!(text.contains("credential changed") && text.contains("access token not renewed"), "it was heard");
    shown.bytes.extend(text.as_bytes());
    shown.check();
}
