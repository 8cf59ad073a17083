//! The commands that look after a house, over TLS: with the certificates of a CA of its own, with certificates for clients,
//! with tokens and keys.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;

use crate::collector::{Collector, attribute};
use crate::pool_client::until;
use crate::program::{Ended, PATIENCE, Program, run, run_with};

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

    fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// Signs a certificate for a name, in `NAME.pem` and `NAME.key`.
    fn sign(&self, file: &str, host: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{file}.pem")), cert.pem()).unwrap();
        std::fs::write(self.file(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

/// A certificate that nobody signed but itself, and that says it is a CA, as `openssl req -x509` makes them.
fn self_signed(authority: &Authority, file: &str) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["house.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(authority.file(&format!("{file}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(authority.file(&format!("{file}.key")), key.serialize_pem()).unwrap();
}

type Settings = Vec<(&'static str, String)>;

fn borrowed(settings: &Settings) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn without(settings: &Settings, names: &[&str]) -> Settings {
    settings.iter().filter(|(name, _)| !names.contains(name)).cloned().collect()
}

fn told(arguments: &[&str], settings: &Settings) -> (i32, Value) {
    let ended = run(&[arguments, &["--json"]].concat(), &borrowed(settings));
    let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended.status.code().unwrap(), json)
}

fn check<'a>(told: &'a Value, name: &str) -> &'a Value {
    let checks = told["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

/// A house that wants everything: TLS on both ports, certificates, keys.
struct Secured {
    authority: Authority,
    data: tempfile::TempDir,
    settings: Settings,
}

impl Secured {
    fn new() -> Self {
        let (authority, data) = (Authority::new(), tempfile::tempdir().unwrap());
        authority.sign("edge", "localhost");
        authority.sign("grpc", "localhost");
        authority.sign("service", "service.example");
        let settings = vec![
            ("W2A_DATA_DIR", data.path().display().to_string()),
            ("W2A_TLS_CERT", authority.path("edge.pem")),
            ("W2A_TLS_KEY", authority.path("edge.key")),
            ("W2A_GRPC_TLS_CERT", authority.path("grpc.pem")),
            ("W2A_GRPC_TLS_KEY", authority.path("grpc.key")),
            ("W2A_GRPC_CLIENT_CA", authority.path("ca.pem")),
            ("W2A_SERVICE_CA", authority.path("ca.pem")),
            ("W2A_SERVICE_CERT", authority.path("service.pem")),
            ("W2A_SERVICE_KEY", authority.path("service.key")),
            ("W2A_SERVICE_TOKEN", "planted-service-token".to_owned()),
            ("W2A_ADMIN_KEY", "ops=planted-admin-key".to_owned()),
            ("API_TOKEN", "planted-api-token".to_owned()),
        ];
        Self { authority, data, settings }
    }

    fn start(&self) -> Program {
        Program::start(&[], &borrowed(&self.settings))
    }

    /// The settings with the ports that the program was given.
    fn at(&self, program: &Program) -> Settings {
        let ports = [
            ("PORT", program.edge().rsplit(':').next().unwrap().to_owned()),
            ("W2A_GRPC_ADDR", program.shown("gRPC").to_owned()),
        ];
        self.settings.iter().cloned().chain(ports).collect()
    }
}

const OF_SERVICES: [&str; 3] = ["W2A_SERVICE_CA", "W2A_SERVICE_CERT", "W2A_SERVICE_KEY"];
const OF_PORTS: [&str; 5] =
    ["W2A_TLS_CERT", "W2A_TLS_KEY", "W2A_GRPC_TLS_CERT", "W2A_GRPC_TLS_KEY", "W2A_GRPC_CLIENT_CA"];

#[test]
fn a_house_behind_a_private_ca_is_looked_at_asked_and_stopped_with_its_own_settings() {
    let house = Secured::new();
    let program = house.start();
    let settings = house.at(&program);

    let (code, status) = told(&["status"], &settings);
    assert_eq!((code, &status["ready"]), (0, &Value::Bool(true)), "{status}");
    assert!(status["edge"]["url"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{status}");
    assert_eq!(status["services"]["pool"]["activeCount"], 1, "{status}");
    let (code, found) = told(&["doctor"], &settings);
    assert_eq!(code, 0, "{found}");
    for name in ["certificates", "edge port", "grpc port", "ready", "stream"] {
        assert_eq!(check(&found, name)["level"], "ok", "{name}: {found}");
    }
    let (code, smoke) = told(&["smoke"], &settings);
    assert_eq!((code, &smoke["ok"]), (0, &Value::Bool(true)), "{smoke}");

    let made = run(&["keys", "add", "app"], &borrowed(&settings));
    let key = made.stdout.trim();
    assert!(key.starts_with("w2a-"), "{made:?}");
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let (code, smoke) = told(&["smoke", "--key", key], &settings);
        if code == 0 {
            break;
        }
        assert!(std::time::Instant::now() < until, "{smoke}");
    }

    #[cfg(unix)]
    {
        let (code, stopped) = told(&["stop"], &settings);
        assert_eq!((code, &stopped["ok"]), (0, &Value::Bool(true)), "{stopped}");
        assert_eq!(program.ended().status.code(), Some(0));
    }
}

/// As the health check of a container does it, whatever name and CA the certificate is of.
#[test]
fn a_status_beside_the_house_trusts_the_certificate_that_the_house_shows_and_no_other() {
    let house = Secured::new();
    self_signed(&house.authority, "edge");
    let settings = without(&house.settings, &["W2A_GRPC_CLIENT_CA"]);
    let settings = without(&settings, &OF_SERVICES);
    let program = Program::start(&[], &borrowed(&settings));

    let (code, status) = told(&["status"], &settings);
    assert_eq!((code, &status["ready"]), (0, &Value::Bool(true)), "{status}");
    // Even one that knows nothing but the folder: the process says what it shows.
    let bare = vec![("W2A_DATA_DIR", house.data.path().display().to_string())];
    let (code, status) = told(&["status"], &bare);
    assert_eq!((code, &status["ready"]), (0, &Value::Bool(true)), "{status}");
    let (code, asked) = told(&["status", "--ready"], &bare);
    assert_eq!((code, &asked["ready"]), (0, &Value::Bool(true)), "{asked}");
    let shown = run(&["status"], &borrowed(&bare)).stdout;
    assert!(shown.contains("credentials  not told: ") && shown.contains("admin key"), "{shown}");

    // A file with another certificate is no reason to trust.
    let note = program.note(house.data.path(), "serve");
    let mut left: Value = serde_json::from_str(&std::fs::read_to_string(&note).unwrap()).unwrap();
    left["edge_certificate"] = house.authority.path("service.pem").into();
    left["grpc_certificate"] = house.authority.path("service.pem").into();
    std::fs::write(&note, left.to_string()).unwrap();
    let (code, status) = told(&["status"], &bare);
    assert_eq!((code, &status["edge"]), (1, &Value::Null), "{status}");
    for part in ["edge_error", "services_error"] {
        assert!(status[part].as_str().unwrap().contains("--ca FILE or W2A_SERVICE_CA"), "{part}: {status}");
    }
}

#[test]
fn a_house_that_is_named_is_trusted_by_the_ca_that_is_given_and_by_nothing_less() {
    let house = Secured::new();
    let program = house.start();
    let url = format!("https://localhost:{}", program.edge().rsplit(':').next().unwrap());
    let nothing: Settings = Vec::new();
    let (ca, other) = (house.authority.path("ca.pem"), Authority::new());
    let with_ca = vec![("W2A_SERVICE_CA", ca.clone())];
    let (ca, other) = (["--ca", ca.as_str()], other.path("ca.pem"));
    let other = ["--ca", other.as_str()];

    for command in ["smoke", "doctor"] {
        let named = [command, "--url", &url, "--key", "planted-api-token"];
        for (arguments, settings, well) in [
            (named.to_vec(), &nothing, false),
            ([&named[..], &other].concat(), &nothing, false),
            // The certificate of the house itself is not what clients know.
            (named.to_vec(), &without(&house.settings, &OF_SERVICES), false),
            (named.to_vec(), &with_ca, true),
            ([&named[..], &ca].concat(), &nothing, true),
        ] {
            let here = [("PORT", "0".to_owned()), ("W2A_GRPC_ADDR", "127.0.0.1:0".to_owned())];
            let data = [("W2A_DATA_DIR", house.data.path().join("elsewhere").display().to_string())];
            let settings = without(settings, &["W2A_DATA_DIR"]).into_iter().chain(here).chain(data).collect();
            let (code, found) = told(&arguments, &settings);
            assert_eq!(code == 0, well, "{arguments:?}: {found}");
            if !well {
                let cure = check(&found, "edge")["cure"].as_str().unwrap();
                assert!(cure.contains("--ca FILE or W2A_SERVICE_CA"), "{cure}");
            }
        }
    }
    let plain = url.replace("https:", "http:");
    let (code, found) = told(&["smoke", "--url", &plain], &nothing);
    assert_eq!(code, 1, "{found}");
    assert!(check(&found, "edge")["cure"].as_str().unwrap().contains("https://"), "{found}");
}

#[test]
fn a_port_that_wants_certificates_says_so_to_a_command_that_has_none() {
    let house = Secured::new();
    let program = house.start();
    let settings = without(&house.at(&program), &OF_SERVICES);

    let (code, status) = told(&["status"], &settings);

    assert_eq!((code, &status["services"]), (0, &Value::Null), "{status}");
    assert!(status["services_error"].as_str().unwrap().contains("W2A_SERVICE_CERT"), "{status}");
    let refused = tokens(&settings, &["list"], "");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("W2A_SERVICE_CERT"), "{refused:?}");
}

fn tokens(settings: &Settings, arguments: &[&str], input: &str) -> Ended {
    let arguments = [&["tokens"], arguments].concat();
    run_with(&tempfile::tempdir().unwrap(), &arguments, &borrowed(settings), input)
}

#[test]
fn the_pool_is_looked_after_over_tls_beside_the_service_and_from_elsewhere() {
    let house = Secured::new();
    let program = Program::start(&["token-pool"], &borrowed(&house.settings));
    let settings: Settings =
        house.settings.iter().cloned().chain([("W2A_GRPC_ADDR", program.shown("gRPC").to_owned())]).collect();

    let added = tokens(&settings, &["add", "--id", "work"], "wk-planted-secret");
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    assert!(added.stderr.contains("talking to the service at https://127.0.0.1:"), "{added:?}");
    // From another machine it has a name.
    let port = program.shown("gRPC").rsplit(':').next().unwrap().to_owned();
    let mut elsewhere = without(&house.settings, &OF_PORTS);
    elsewhere.push(("W2A_TOKEN_POOL", format!("https://localhost:{port}")));
    let listed = tokens(&elsewhere, &["list", "--json"], "");
    let credentials: Value = serde_json::from_str(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
    assert!(
        credentials.as_array().unwrap().iter().any(|one| one["name"] == "credentials/work"),
        "{credentials}"
    );
    let ca = house.authority.path("ca.pem");
    let only = without(&elsewhere, &["W2A_SERVICE_CA"]);
    assert_eq!(tokens(&only, &["status", "--ca", &ca], "").status.code(), Some(0));

    let other = Authority::new();
    let refused = tokens(&only, &["status", "--ca", &other.path("ca.pem")], "");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("--ca FILE or W2A_SERVICE_CA"), "{refused:?}");
    let refused = tokens(&without(&settings, &OF_PORTS), &["status"], "");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("W2A_GRPC_TLS_CERT"), "{refused:?}");
    let keyless = tokens(&without(&settings, &["W2A_ADMIN_KEY"]), &["status"], "");
    assert!(keyless.stderr.contains("wants an admin key"), "{keyless:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_span_says_that_its_request_came_over_tls() {
    let (collector, house) = (Collector::start().await, Secured::new());
    let settings = house.settings.iter().map(|(name, value)| (*name, value.as_str()));
    let settings: Vec<_> = settings.chain(collector.settings("all", "grpc")).collect();
    let program = Program::start(&[], &settings);
    let authority = std::fs::read(house.authority.file("ca.pem")).unwrap();
    let authority = reqwest::Certificate::from_pem(&authority).unwrap();
    // Whoever was earlier chose the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).tls_certs_only([authority]);
    let client = client.build().unwrap();

    let url = format!("https://{}/v1/models", program.edge().replace("127.0.0.1", "localhost"));
    let answer = client.get(url).bearer_auth("planted-api-token").send().await.unwrap();

    assert_eq!(answer.status(), 200);
    let parent = answer.headers()["traceparent"].to_str().unwrap().to_owned();
    until("its span comes", || {
        let spans = collector.trace(&parent[3..35]);
        let root = spans.iter().find(|(_, span)| span.name == "GET /v1/models");
        root.is_some_and(|(_, span)| attribute(&span.attributes, "url.scheme") == "https")
    })
    .await;
}
