//! `warp2api tokens`: with a service that runs, and on its store when none does.

use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use warp2api_token_pool::{CredentialId, Kind, Secret};

use crate::pool_client::Upstream;
use crate::program::{Ended, Program, run_in, run_with};

const KEY: (&str, &str) = ("W2A_ADMIN_KEY", "ops=planted-admin-key");

/// Everything that commands said so far, and where they run.
struct Operator {
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
    said: String,
}

impl Operator {
    fn new(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { folder: tempfile::tempdir().unwrap(), settings: settings.collect(), said: String::new() }
    }

    fn with(&mut self, name: &str, value: &str) -> &mut Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    fn tokens(&mut self, arguments: &[&str], input: &str) -> Ended {
        let settings: Vec<_> = self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let arguments: Vec<_> = std::iter::once("tokens").chain(arguments.iter().copied()).collect();
        let ended = run_with(&self.folder, &arguments, &settings, input);
        self.said.push_str(&ended.output());
        ended
    }

    /// What it wrote, when it did what was asked.
    fn done(&mut self, arguments: &[&str], input: &str) -> String {
        let ended = self.tokens(arguments, input);
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    }

    /// What it wrote as JSON.
    fn json(&mut self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.done(&arguments, "")).unwrap()
    }

    /// What it said, when it could not do what was asked.
    fn refused(&mut self, arguments: &[&str], input: &str, code: i32) -> String {
        let ended = self.tokens(arguments, input);
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {ended:?}");
        ended.stderr
    }
}

fn id(kind: Kind, secret: &str) -> String {
    CredentialId::of(kind, &Secret::new(secret)).to_string()
}

fn service(folder: &Path, upstream: &Upstream, more: &[(&str, &str)]) -> Program {
    let settings = [
        ("W2A_DATA_DIR", folder.to_str().unwrap()),
        ("W2A_UPSTREAM", &upstream.url),
        ("WARP_FIREBASE_API_KEY", "public"),
        ("W2A_LOG", "trace"),
    ];
    Program::start(&["token-pool"], &[&settings[..], more].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_runs_the_pool_of_a_service_and_no_secret_is_seen() {
    let (data, upstream) = (tempfile::tempdir().unwrap(), Upstream::start(&["planted-refresh"]).await);
    let program = service(data.path(), &upstream, &[KEY]);
    let place = program.shown("gRPC").to_owned();
    let mut operator = Operator::new(&[("W2A_GRPC_ADDR", &place), KEY, ("W2A_LOG", "trace")]);
    operator.with("SPARE", "wk-planted-spare");

    let added = operator.tokens(&["add", "--name", "work", "--kind", "refresh-token"], "planted-refresh\n");
    let work = id(Kind::RefreshToken, "planted-refresh");
    assert_eq!(added.stdout, format!("added {work} (personal refresh-token work)\n"), "{added:?}");
    assert!(added.stderr.contains(&format!("talking to the service at {place}\n")), "{added:?}");
    let again = operator.refused(&["add"], "planted-refresh", 1);
    assert!(again.contains(&format!("the pool has this credential already, as {work}")), "{again}");
    let add = ["add", "--secret-env", "SPARE", "--tier", "shared", "--id", "spare", "--leases", "3"];
    assert_eq!(operator.done(&add, ""), "added spare (shared api-key spare)\n");

    let listed = operator.done(&["list"], "");
    let rows: Vec<Vec<_>> = listed.lines().map(|line| line.split_whitespace().take(5).collect()).collect();
    assert_eq!(rows[1], [&work, "work", "personal", "refresh-token", "active"], "{listed}");
    assert_eq!(rows[2], ["spare", "-", "shared", "api-key", "active"], "{listed}");
    assert!(listed.contains("0 of 3"), "{listed}");

    assert!(operator.done(&["refresh", "work"], "").contains("active"));
    assert!(!operator.done(&["show", "work"], "").contains("access token until  -"));
    assert_eq!(upstream.simulator.record().exchanges().len(), 1);
    let checked = operator.json(&["check", "work"]);
    assert_eq!(checked[0]["finding"], "CREDENTIAL_FINDING_GOOD", "{checked}");
    assert!(operator.done(&["list", "--tier", "personal"], "").contains(" of "), "its quota is known now");

    operator.done(&["disable", "spare", "--reason", "on holiday"], "");
    let disabled = operator.json(&["list", "--state", "disabled"]);
    assert_eq!(disabled[0]["name"], "credentials/spare");
    assert_eq!(disabled[0]["lastError"], "switched off by an operator: on holiday");
    assert!(operator.done(&["enable", "spare"], "").contains("active"));
    operator.done(&["recover", "spare", &work], "");
    operator.done(&["update", "spare", "--name", "the spare", "--tier", "anonymous"], "");
    assert_eq!(operator.json(&["show", "the spare"])["tier"], "CREDENTIAL_TIER_ANONYMOUS");
    operator.done(&["update", "spare", "--secret"], "wk-planted-other");
    let status = operator.json(&["status"]);
    assert_eq!(
        (status["totalCount"].as_i64(), status["total_tokens"].as_i64()),
        (Some(2), Some(2)),
        "{status}"
    );
    assert!(operator.done(&["rotate-key"], "").contains("sealed with the key"));

    let unasked = operator.refused(&["remove", "spare"], "", 64);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(
        operator.done(&["remove", "spare", "--yes"], ""),
        "removed spare (anonymous api-key the spare)\n"
    );
    let gone = operator.refused(&["disable", &work, "spare"], "", 1);
    assert!(gone.contains("no credential has the id or name `spare`"), "{gone}");
    assert_eq!(operator.json(&["show", "work"])["state"], "CREDENTIAL_STATE_ACTIVE", "nothing was changed");

    let signed_in = operator.tokens(&["guest"], "");
    assert!(signed_in.stderr.contains("signed in as a guest"), "{signed_in:?}");
    assert!(operator.tokens(&["guest"], "").stderr.contains("was there already"));

    let trail = operator.json(&["audit", "--credential", "spare"]);
    let did = |event: &Value| (event["actor"].clone(), event["action"].as_str().unwrap().to_owned());
    let did: Vec<_> = trail.as_array().unwrap().iter().map(did).collect();
    assert!(did.iter().all(|(actor, _)| actor == "ops"), "{trail}");
    let actions: Vec<_> = did.iter().map(|(_, action)| action.as_str()).collect();
    assert_eq!(actions, ["delete", "update", "update", "recover", "enable", "disable", "create"]);
    assert_eq!(operator.done(&["audit", "--limit", "2"], "").lines().count(), 3);

    let exported = operator.json(&["export"]);
    assert_eq!(exported[0]["name"], format!("credentials/{work}"));
    assert_eq!((&exported[0]["display_name"], &exported[0]["secret"]), (&json!("work"), &json!("")));

    program.signal("TERM");
    let logged = program.ended();
    assert!(logged.stderr.contains("TRACE"), "it was asked to say everything");
    for (what, said) in [("the command line", operator.said), ("the service", logged.output())] {
        let line = said.lines().find(|line| line.contains("planted"));
        assert_eq!(line, None, "{what} shows a secret");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_key_hears_what_is_wanted() {
    let (data, upstream) = (tempfile::tempdir().unwrap(), Upstream::start(&[]).await);
    let program = service(data.path(), &upstream, &[KEY]);
    let mut operator = Operator::new(&[("W2A_GRPC_ADDR", program.shown("gRPC"))]);

    let without = operator.refused(&["list"], "", 1);
    let wrong = operator.with("W2A_ADMIN_KEY", "planted-guess").refused(&["list"], "", 1);

    assert!(without.contains("wants an admin key: set W2A_ADMIN_KEY"), "{without}");
    assert!(wrong.contains("refuses the admin key"), "{wrong}");
    assert!(!operator.said.contains("planted"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_service_its_store_is_opened_and_what_it_has_stays() {
    let (data, upstream) = (tempfile::tempdir().unwrap(), Upstream::start(&["planted-refresh"]).await);
    let variables = [("WARP_SHARED_TOKENS", "of the service=planted-refresh")];
    let program = service(data.path(), &upstream, &variables);
    let place = program.shown("gRPC").to_owned();
    let folder = data.path().to_str().unwrap();
    let here = [("W2A_GRPC_ADDR", place.as_str()), ("W2A_DATA_DIR", folder), ("W2A_UPSTREAM", &upstream.url)];
    let mut operator = Operator::new(&here);
    operator.with("USER", "tester").with("WARP_FIREBASE_API_KEY", "public").with("W2A_LOG", "trace");
    assert!(operator.tokens(&["list"], "").stderr.contains("talking to the service"));

    operator.with("W2A_GRPC_ADDR", "127.0.0.1:0");
    let held = operator.refused(&["list"], "", 1);
    assert!(
        held.contains("no service answers at 127.0.0.1:0, and ") && held.contains("is in use by process"),
        "{held}"
    );
    assert!(held.contains("--grpc-addr") && !held.contains("W2A_DATA_DIR"), "{held}");

    operator.with("W2A_GRPC_ADDR", &place);
    program.killed();
    let listed = operator.tokens(&["list"], "");
    assert!(
        listed.stderr.contains(&format!("no service at {place}: opened the store itself, {folder}")),
        "{listed:?}"
    );
    assert!(listed.stdout.contains("of the service"), "it stays without its variable: {listed:?}");
    operator.done(&["add", "--name", "mine"], "wk-planted-mine");
    let checked = operator.json(&["check", "of the service"]);
    assert_eq!(checked[0]["finding"], "CREDENTIAL_FINDING_GOOD", "{checked}");
    operator.done(&["disable", "mine"], "");
    let trail = operator.done(&["audit"], "");
    assert!(trail.lines().skip(1).all(|line| line.contains("local:tester")), "{trail}");

    let program = service(data.path(), &upstream, &variables);
    operator.with("W2A_GRPC_ADDR", program.shown("gRPC"));
    let all = operator.json(&["list"]);
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all[0]["state"], "CREDENTIAL_STATE_DISABLED", "{all}");
    assert!(!operator.said.contains("planted"), "a secret was shown");
}

#[test]
fn files_are_imported_once_and_every_line_is_told() {
    let data = tempfile::tempdir().unwrap();
    let here = [("W2A_GRPC_ADDR", "127.0.0.1:0"), ("W2A_DATA_DIR", data.path().to_str().unwrap())];
    let mut operator = Operator::new(&here);
    let file = operator.folder.path().join("of-the-original.env");
    let text = "\
# Warp2Api Configuration
HOST=127.0.0.1
WARP_JWT=
WARP_REFRESH_TOKEN=your_warp_refresh_token_here
WARP_SHARED_TOKENS=planted-s1,planted-p1
planted nonsense
WARP_PERSONAL_TOKENS=\"planted-p1,bob=planted-p2,planted two\"
export WARP_ANONYMOUS_TOKEN='planted-a1' # the last resort
";
    std::fs::write(&file, text).unwrap();
    let (s1, p1) = (id(Kind::RefreshToken, "planted-s1"), id(Kind::RefreshToken, "planted-p1"));
    let (p2, a1) = (id(Kind::RefreshToken, "planted-p2"), id(Kind::RefreshToken, "planted-a1"));
    let expected = |added: &str| {
        format!(
            "line 5, WARP_SHARED_TOKENS, entry 1: {added} as {s1} (shared refresh-token)\n\
             line 5, WARP_SHARED_TOKENS, entry 2: the same as line 7, WARP_PERSONAL_TOKENS, entry 1\n\
             line 6: refused: is no NAME=value\n\
             line 7, WARP_PERSONAL_TOKENS, entry 1: {added} as {p1} (personal refresh-token)\n\
             line 7, WARP_PERSONAL_TOKENS, entry 2: {added} as {p2} (personal refresh-token)\n\
             line 7, WARP_PERSONAL_TOKENS, entry 3: refused: has spaces or other characters that no token has\n\
             line 8, WARP_ANONYMOUS_TOKEN, entry 1: {added} as {a1} (anonymous refresh-token)\n"
        )
    };
    let file = file.to_str().unwrap();

    let tried = operator.tokens(&["import", file, "--dry-run"], "");
    let all = format!(
        "{}4 would be added, nothing was changed; 1 there already; 2 refused\n",
        expected("would be added")
    );
    assert_eq!((tried.stdout, tried.status.code()), (all, Some(1)));
    assert_eq!(operator.done(&["list"], ""), "", "nothing was changed");
    let imported = operator.tokens(&["import", file], "");
    let all = format!("{}4 added; 1 there already; 2 refused\n", expected("added"));
    assert_eq!((imported.stdout, imported.status.code()), (all, Some(1)));
    assert!(imported.stderr.ends_with("warp2api: 2 of 7 entries were refused\n"), "{}", imported.stderr);
    let again = operator.tokens(&["import", file], "");
    assert!(again.stdout.contains(&format!("there already, as {s1}\n")), "{}", again.stdout);
    assert!(again.stdout.ends_with("0 added; 5 there already; 2 refused\n"), "{}", again.stdout);

    let list = format!(
        r#"[
  {{"name": "credentials/chosen", "secret": "wk-planted-new", "tier": "shared", "display_name": "new"}},
  {{"name": "credentials/{p1}", "secret": "wk-planted-another"}},
  {{"refresh_token": "planted-a1"}},
  {{"name": "credentials/{p2}", "secret": ""}}
]"#
    );
    let imported = operator.tokens(&["import", "-", "--json"], &list);
    let told: Value = serde_json::from_str(&imported.stdout).unwrap();
    let results: Vec<_> = told.as_array().unwrap().iter().map(|one| (&one["line"], &one["result"])).collect();
    let expected = [(2, "added"), (3, "refused"), (4, "known"), (5, "refused")];
    let expected = expected.map(|(line, result)| (json!(line), json!(result)));
    assert_eq!(results, expected.iter().map(|(line, result)| (line, result)).collect::<Vec<_>>());
    assert_eq!(told[0]["credential"]["name"], "credentials/chosen");
    assert!(told[1]["detail"].as_str().unwrap().contains("another credential with the id"), "{told}");
    assert!(told[2]["detail"].as_str().unwrap().ends_with(&a1), "{told}");
    assert!(told[3]["detail"].as_str().unwrap().contains("fill it in"), "{told}");
    assert!(!operator.said.contains("planted"), "a secret was shown");
}

#[test]
fn what_cannot_be_done_is_said_with_a_way_out() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = other.local_addr().unwrap().to_string();
    drop(other);
    let data = tempfile::tempdir().unwrap();
    let missing = data.path().join("missing.env");
    let missing = missing.to_str().unwrap();
    let memory = ("W2A_DATABASE_URL", "memory:");
    let stored = ("W2A_DATA_DIR", data.path().to_str().unwrap());
    for (arguments, settings, input, code, words) in [
        (&["list"][..], &[memory][..], "", 1, "a pool in memory is only where a service runs"),
        (&["list"], &[memory, ("W2A_TOKEN_POOL", &format!("http://{nobody}"))], "", 1, "--grpc-addr"),
        (
            &["list"],
            &[memory, ("W2A_GRPC_ADDR", "nonsense")],
            "",
            64,
            "write `host:port` or `unix:/path/to.sock`",
        ),
        (
            &["list"],
            &[memory, ("W2A_GRPC_ADDR", "unix:/no/such.sock")],
            "",
            1,
            "no service answers at unix:/no/such.sock",
        ),
        (&["add"], &[stored], "", 64, "there is no secret on standard input"),
        (&["add"], &[stored], "planted\nplanted\n", 64, "`warp2api tokens import` reads files"),
        (&["add"], &[stored], "planted planted", 1, "has spaces or other characters that no token has"),
        (
            &["add", "--kind", "api-key"],
            &[stored],
            "eyJhbGciOiJub25lIn0.e30.planted***",
            1,
            "stands for a secret",
        ),
        (&["add", "--secret-env", "planted"], &[stored], "", 64, "that --secret-env names is not set"),
        (&["add", "wk-planted"], &[stored], "", 64, "unexpected argument"),
        (&["add", "--tier", "gold"], &[stored], "", 64, "personal, shared, anonymous"),
        (&["show", "wk-planted-1"], &[stored], "", 1, "no credential has the id or name that was given"),
        (&["update", "x"], &[stored], "", 64, "--name, --tier, --leases or --secret"),
        (&["import", missing], &[stored], "", 1, "cannot open "),
        (&["import", "-"], &[stored], "[\n planted", 1, "standard input: is no JSON from line 2 on"),
        (&["import", "-"], &[stored], "PORT=1\n", 1, "there is no credential in it"),
    ] {
        let mut operator = Operator::new(settings);
        if settings.iter().all(|(name, _)| *name != "W2A_GRPC_ADDR") {
            operator.with("W2A_GRPC_ADDR", &nobody);
        }
        let said = operator.refused(arguments, input, code);
        assert!(said.contains(words), "{arguments:?}: {said}");
        let shown = said.contains("planted") && !words.contains("argument");
        assert!(!shown, "{arguments:?}: {said}");
    }
}

/// Nothing is configured, so it runs on the embedded upstream, and what is added is for later.
#[test]
fn a_service_on_the_embedded_upstream_says_what_it_does_not_use() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(&[], &[("W2A_DATA_DIR", data.path().to_str().unwrap())]);
    let mut operator = Operator::new(&[("W2A_GRPC_ADDR", program.shown("gRPC"))]);

    assert!(operator.done(&["list"], "").contains("embedded"));
    let added = operator.tokens(&["add"], "wk-1.a");
    assert!(added.status.success() && added.stderr.contains("runs on the embedded upstream"), "{added:?}");
    assert!(operator.done(&["status"], "").contains("1 wait for a start on Warp"));
    assert!(operator.refused(&["guest"], "", 1).contains("runs on the embedded upstream"));
    assert_eq!(operator.json(&["export"]).as_array().unwrap().len(), 1);
    let help = run_in(&operator.folder, &["tokens", "--help"], &[]);
    assert!(help.status.success() && help.stdout.contains("rotate-key"), "{help:?}");
}
