//! The port of the services: who may call what over a network, by token and by certificate.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tonic::Code;
use warp2api_integration_tests::wait::PATIENCE;
use warp2api_integration_tests::{House, HouseBuilder, Topology, ask};
use warp2api_rpc::GrpcEndpoint;
use warp2api_rpc::endpoint::{self, Place};
use warp2api_rpc::link::Link;
use warp2api_rpc::listener::Address;
use warp2api_rpc::policy::{Access, METHODS};
use warp2api_rpc::tls::{ClientTls, TlsFiles};

use crate::dynamic;

const TOKEN: &str = "a-token-of-the-house-0123";

fn host(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.clone(),
        Address::Unix(_) => panic!("it listens on TCP"),
    }
}

/// The services at an address, by someone who shows this.
fn by(address: &Address, scheme: &str, link: &Link) -> GrpcEndpoint {
    endpoint::linked(&Place::Tcp(format!("{scheme}://{}", host(address))), link).unwrap()
}

fn with_token(token: &str) -> Link {
    Link { tokens: token.parse().unwrap(), ..Link::default() }
}

/// Calls a method with nothing in it and holds the reason for which the caller is not let in, if any, to what is
/// expected.
async fn hold(endpoint: &GrpcEndpoint, path: &str, expected: Option<&str>, what: &str) {
    // One message is enough to have been let in, and a watch may have none for long; a refusal is there at once.
    let patience = if expected.is_some() { PATIENCE } else { std::time::Duration::from_millis(300) };
    let nothing = json!({});
    let call = dynamic::call_at_most(endpoint, path.trim_start_matches("/warp2api."), &nothing, 1);
    let answer = tokio::time::timeout(patience, call).await;
    assert!(answer.is_ok() || expected.is_none(), "{path} hangs: {what}");
    let refusal = answer.ok().and_then(|answer| answer.refusal);
    let kept_out =
        refusal.filter(|refusal| matches!(refusal.code, Code::Unauthenticated | Code::PermissionDenied));
    assert_eq!(kept_out.map(|refusal| refusal.reason), expected, "{path}: {what}");
}

#[tokio::test]
async fn every_method_is_for_its_callers_wherever_the_port_is() {
    for (address, token) in
        [("127.0.0.1:0", false), ("127.0.0.1:0", true), ("0.0.0.0:0", false), ("0.0.0.0:0", true)]
    {
        let house = House::builder().settings(|settings| {
            settings.grpc_addr = Some(address.to_owned());
            settings.admin_key = Some("ops=admin-key-0123456789".to_owned());
            settings.service_token = token.then(|| TOKEN.to_owned());
        });
        let house = house.start().await;
        let there = Address::Tcp(host(&house.token_pool).replace("0.0.0.0", "127.0.0.1"));
        let reachable = address.starts_with("0.");
        for (shown, right) in [(None, false), (Some("a-token-of-somebody-else"), false), (Some(TOKEN), true)]
        {
            let link = shown.map(with_token).unwrap_or_default();
            let endpoint = by(&there, "http", &link);
            for (path, access) in METHODS {
                let expected = match access {
                    Access::Open => None,
                    Access::Admin => Some("ADMIN_KEY_INVALID"),
                    Access::Service | Access::Chat if token && right => None,
                    Access::Service | Access::Chat if token => Some("SERVICE_TOKEN_INVALID"),
                    Access::Service | Access::Chat if reachable => Some("SERVICE_NOT_ALLOWED"),
                    Access::Service | Access::Chat => None,
                };
                hold(&endpoint, path, expected, &format!("at {address}, token {token}, shown {shown:?}"))
                    .await;
            }
        }
        for running in std::mem::take(&mut { house }.take_running()) {
            running.drain(std::future::ready(())).await;
        }
    }
}

/// A CA, and what it signs, in files.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ca(&self) -> String {
        self.file("ca.pem").display().to_string()
    }

    /// Signs a certificate for this machine. Returns the paths of certificate and key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        std::fs::write(&cert_file, cert.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (cert_file.display().to_string(), key_file.display().to_string())
    }

    fn client(&self, shows: Option<&(String, String)>) -> ClientTls {
        let ca = Some(self.file("ca.pem"));
        let (cert, key) = shows.map(|(cert, key)| (cert.into(), key.into())).unzip();
        ClientTls::client(TlsFiles { cert, key, ca, own: None }).unwrap()
    }
}

fn trusting(ca: &Path) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([ca]);
    client.pool_max_idle_per_host(0).build().unwrap()
}

fn secured(authority: &Authority) -> HouseBuilder {
    let ((cert, key), (grpc_cert, grpc_key)) = (authority.sign("edge"), authority.sign("grpc"));
    House::builder().settings(|settings| {
        (settings.tls_cert, settings.tls_key) = (Some(cert), Some(key));
        (settings.grpc_tls_cert, settings.grpc_tls_key) = (Some(grpc_cert), Some(grpc_key));
    })
}

/// Ends a house whose own clients speak no TLS.
async fn end(mut house: House) {
    for running in house.take_running() {
        assert!(running.drain(std::future::pending()).await);
    }
}

#[tokio::test]
async fn the_edge_and_the_services_speak_tls_and_take_a_new_certificate_without_a_restart() {
    let authority = Authority::new();
    let house = secured(&authority).start().await;
    let edge = house.edge.replace("http:", "https:");
    let chat = async |client: &reqwest::Client| {
        let request =
            client.post(format!("{edge}/v1/chat/completions")).body(ask("say exactly: safe").to_string());
        request.send().await.map(|response| (response.status().as_u16(), response.version()))
    };
    let client = trusting(&authority.file("ca.pem"));
    assert_eq!(chat(&client).await.unwrap(), (200, reqwest::Version::HTTP_2));
    assert!(house.request("GET", "/healthz").send().await.is_err(), "no plain text");

    let link = Link { tls: Some(authority.client(None)), ..Link::default() };
    let services = by(&house.warp_chat, "https", &link);
    let said = json!([{"role": "ROLE_USER", "parts": [{"text": "say exactly: safe"}]}]);
    let request: Value = json!({"model": "auto", "messages": said});
    let answer = dynamic::call(&services, "warp_chat.v1.WarpChat/StreamChat", &request).await;
    assert_eq!(answer.refusal, None);
    assert!(answer.messages.len() > 1, "{answer:?}");

    // The certificate is replaced by one of another CA.
    let other = Authority::new();
    let (cert, key) = other.sign("next");
    std::fs::copy(key, authority.file("edge.key")).unwrap();
    std::fs::copy(cert, authority.file("edge.pem")).unwrap();
    let renewed = trusting(&other.file("ca.pem"));
    let waiting = async {
        while chat(&renewed).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it was not read again");
    assert!(chat(&client).await.is_err(), "the one before is gone");
    end(house).await;
}

#[tokio::test]
async fn a_port_that_wants_certificates_answers_only_who_has_one_of_the_house() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ca = authority.ca();
    let house = secured(&authority).settings(|settings| settings.grpc_client_ca = Some(ca)).start().await;
    let (ours, theirs) = (authority.sign("service"), other.sign("service"));
    for (shown, let_in) in [(None, false), (Some(&theirs), false), (Some(&ours), true)] {
        let link = Link { tls: Some(authority.client(shown)), ..Link::default() };
        let services = by(&house.token_pool, "https", &link);
        let answer = dynamic::call(&services, "codec.v1.Codec/ListMessageTypes", &json!({})).await;
        assert_eq!(answer.refusal.is_none(), let_in, "{shown:?}: {:?}", answer.refusal);
    }
    end(house).await;
}

#[tokio::test]
async fn a_certificate_opens_what_is_for_services_and_nothing_of_the_operators() {
    let authority = Authority::new();
    let ca = authority.ca();
    let builder = secured(&authority).settings(|settings| {
        settings.grpc_client_ca = Some(ca);
        settings.grpc_addr = Some("0.0.0.0:0".to_owned());
        settings.admin_key = Some("key-of-operators-0123".to_owned());
    });
    let house = builder.start().await;
    let there = Address::Tcp(host(&house.token_pool).replace("0.0.0.0", "127.0.0.1"));
    let tls = Some(authority.client(Some(&authority.sign("service"))));
    let link = Link { tls, ..Link::default() };
    let endpoint = by(&there, "https", &link);

    for (path, access) in METHODS {
        let expected = (*access == Access::Admin).then_some("ADMIN_KEY_INVALID");
        hold(&endpoint, path, expected, "by certificate").await;
    }
    end(house).await;
}

#[tokio::test]
async fn a_house_in_five_processes_works_with_token_and_certificates() {
    let authority = Authority::new();
    let (ca, service) = (authority.ca(), authority.sign("service"));
    let house = secured(&authority)
        .topology(Topology::Tcp)
        .settings(|settings| {
            settings.service_token = Some(TOKEN.to_owned());
            (settings.grpc_client_ca, settings.service_ca) = (Some(ca.clone()), Some(ca));
            (settings.service_cert, settings.service_key) = (Some(service.0), Some(service.1));
            (settings.tls_cert, settings.tls_key) = (None, None);
        })
        .start()
        .await;

    let (status, answer) = house.chat(&ask("say exactly: safe")).await;

    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("safe")));
    end(house).await;
}

#[tokio::test]
async fn a_gateway_with_another_token_is_refused_and_its_caller_not_blamed() {
    let house = House::builder()
        .topology(Topology::Tcp)
        .settings(|settings| settings.service_token = Some(TOKEN.to_owned()))
        .tune(|config| {
            if config.role == warp2api_server::config::Role::Gateway {
                config.security.tokens = "a-token-of-somebody-else".parse().unwrap();
            }
        })
        .start()
        .await;

    let (status, answer) = house.chat(&ask("hello")).await;

    assert_eq!((status, &answer["error"]["code"]), (503, &json!("service_unreachable")));
    assert!(house.record().chats().is_empty());
    end(house).await;
}
