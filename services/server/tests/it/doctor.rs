//! The commands that only look: at a store, which they leave as it is, and at the parts of a house in several processes.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sqlx::Connection as _;

use crate::program::{Ended, Program, run_with, told};

/// Every file below a folder, with what is in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let read = |path: &Path| (path.display().to_string(), std::fs::read(path).unwrap_or_default());
    entries.map(|entry| read(&entry.unwrap().path())).collect()
}

fn level<'a>(told: &'a Value, name: &str) -> Option<&'a str> {
    let checks = told["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name)?["level"].as_str()
}

fn message<'a>(told: &'a Value, name: &str) -> &'a str {
    let checks = told["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name);
    check.unwrap_or_else(|| panic!("no {name} in {told}"))["message"].as_str().unwrap()
}

const LOOKS: [&[&str]; 5] = [&["list"], &["show", "work"], &["status"], &["audit"], &["export"]];

fn tokens(arguments: &[&str], input: &str, settings: &[(&str, &str)]) -> Ended {
    run_with(&tempfile::tempdir().unwrap(), &[&["tokens"], arguments].concat(), settings, input)
}

#[test]
fn looking_makes_no_store_and_says_that_there_is_none() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let path = folder.to_str().unwrap();
    let settings = [("W2A_DATA_DIR", path), ("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")];

    for arguments in LOOKS {
        let ended = tokens(arguments, "", &settings);
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(&format!("there is no pool in {path}")), "{arguments:?}: {ended:?}");
    }
    for role in ["all", "token-pool"] {
        let (code, found) = told(&["doctor", "--role", role], &settings);
        assert_eq!((code, level(&found, "store")), (0, Some("ok")), "{found}");
        assert!(message(&found, "store").contains("not there yet"), "{found}");
    }
    assert!(!folder.exists());
}

#[tokio::test]
async fn looking_leaves_a_store_as_it_is_whatever_version_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let settings = [("W2A_DATA_DIR", path), ("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")];
    let added = tokens(&["add", "--name", "work"], "wk-planted-secret", &settings);
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    let before = files(folder.path());

    for arguments in LOOKS {
        let ended = tokens(arguments, "", &settings);
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
        assert!(!ended.output().contains("planted"), "{arguments:?}: {ended:?}");
    }
    assert!(tokens(&["list"], "", &settings).stdout.contains("work"));
    assert!(tokens(&["audit"], "", &settings).stdout.contains("create"));
    let (code, found) = told(&["doctor"], &[&settings[..], &[("W2A_UPSTREAM", "embedded")]].concat());
    assert_eq!(code, 0, "{found}");
    assert!(message(&found, "store").contains("opens, and so do its secrets"), "{found}");
    assert!(files(folder.path()) == before, "looking has changed something");
    let other = "ab".repeat(32);
    let stranger = [&settings[..], &[("W2A_STORE_KEY", other.as_str())]].concat();
    assert!(tokens(&["list"], "", &stranger).stderr.contains("are sealed with the key"));

    let url = format!("sqlite://{}", folder.path().join("pool.db").display());
    for (change, words, verdict) in [
        ("UPDATE _sqlx_migrations SET version = version + 1000", "a later version", "fail"),
        ("DELETE FROM _sqlx_migrations", "an earlier version", "warn"),
        ("DROP TABLE _sqlx_migrations", "there is no pool in", "ok"),
    ] {
        let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(change).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        let before = files(folder.path());

        for arguments in LOOKS {
            let ended = tokens(arguments, "", &settings);
            assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {ended:?}");
            assert!(ended.stderr.contains(words), "{arguments:?}: {ended:?}");
        }
        let (code, found) = told(&["doctor"], &[&settings[..], &[("W2A_UPSTREAM", "embedded")]].concat());
        assert_eq!((code == 0, level(&found, "store")), (verdict != "fail", Some(verdict)), "{found}");
        assert!(files(folder.path()) == before, "{change}: looking has changed something");
    }
}

#[test]
fn the_doctor_looks_at_one_part_of_a_house_and_at_the_next_one() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let data: Vec<_> = folders.iter().map(|folder| folder.path().to_str().unwrap()).collect();
    let embedded = ("W2A_UPSTREAM", "embedded");
    let pool = Program::start(&["token-pool"], &[("W2A_DATA_DIR", data[0]), embedded]);
    let pool_place = format!("http://{}", pool.shown("gRPC"));
    let of_chat = [("W2A_DATA_DIR", data[1]), embedded, ("W2A_TOKEN_POOL", pool_place.as_str())];
    let chat = Program::start(&["warp-chat"], &of_chat);
    let chat_place = format!("http://{}", chat.shown("gRPC"));
    let of_gateway = [("W2A_DATA_DIR", data[2]), ("W2A_WARP_CHAT", chat_place.as_str())];
    let gateway = Program::start(&["gateway"], &of_gateway);
    let ports = [("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")];
    let of_pool = [("W2A_DATA_DIR", data[0]), embedded];

    for (role, settings, seen, unseen) in [
        ("token-pool", &of_pool[..], &["store", "grpc port", "ready"][..], &["edge port", "stream"][..]),
        ("warp-chat", &of_chat, &["grpc port", "token pool", "ready"], &["store", "edge port"]),
        ("gateway", &of_gateway, &["edge port", "chat service", "ready", "stream"], &["store", "grpc port"]),
        ("codec", &[], &["codec", "grpc port"], &["store", "edge port", "upstream"]),
        ("upstream", &[("W2A_UPSTREAM_ADDR", "127.0.0.1:0")], &["upstream port"], &["store", "grpc port"]),
    ] {
        let settings = [settings, &ports].concat();
        let (code, found) = told(&["doctor", "--role", role], &settings);
        assert_eq!(code, 0, "{role}: {found}");
        for name in seen {
            assert_eq!(level(&found, name), Some("ok"), "{role}, {name}: {found}");
        }
        for name in unseen {
            assert_eq!(level(&found, name), None, "{role}, {name}: {found}");
        }
        if ["token-pool", "warp-chat", "gateway"].contains(&role) {
            let (_, implied) = told(&["doctor"], &settings);
            assert!(message(&implied, "settings").contains(&format!("`{role}`")), "{implied}");
        }
    }

    drop((gateway, chat, pool));
    for (role, settings, name, setting) in [
        ("warp-chat", &of_chat[..], "token pool", "W2A_TOKEN_POOL"),
        ("gateway", &of_gateway, "chat service", "W2A_WARP_CHAT"),
    ] {
        let (code, found) = told(&["doctor", "--role", role], &[settings, &ports].concat());
        assert_eq!((code, level(&found, name)), (1, Some("fail")), "{found}");
        assert!(found.to_string().contains(&format!("start that service, or correct {setting}")), "{found}");
    }
}
