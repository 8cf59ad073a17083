use warp2api_gateway::RemoteImages;

use super::*;

fn resolve(role: Role, pairs: &[(&str, &str)]) -> Result<Config, Problems> {
    let settings = Settings::from_variables(|name| {
        pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    });
    Config::resolve(role, settings)
}

#[test]
fn nothing_at_all_is_a_house_on_the_embedded_upstream() {
    let config = resolve(Role::All, &[]).unwrap();

    assert_eq!(config.edge.to_string(), "127.0.0.1:28889");
    assert_eq!(config.grpc.to_string(), "127.0.0.1:28888");
    assert!(matches!(config.upstream, UpstreamChoice::Embedded(_)));
    assert_eq!(config.chat.upstream_label, "embedded");
    assert!(config.gateway.is_open());
}

#[test]
fn a_credential_makes_auto_mean_warp() {
    let config = resolve(Role::All, &[("WARP_API_KEY", "wk-1.abc")]).unwrap();

    assert!(matches!(&config.upstream, UpstreamChoice::Remote(url) if url == "https://app.warp.dev"));
    assert_eq!(config.chat.upstream_label, "app.warp.dev");
    assert_eq!(config.token_url.0, "https://app.warp.dev/proxy/token");
}

#[test]
fn embedded_can_be_asked_for_with_a_credential() {
    let config = resolve(Role::All, &[("WARP_API_KEY", "wk-1.abc"), ("W2A_UPSTREAM", "embedded")]).unwrap();

    assert!(matches!(config.upstream, UpstreamChoice::Embedded(_)));
}

#[test]
fn images_are_fetched_from_public_addresses_or_not_at_all() {
    for (written, remote_images) in [
        (&[][..], RemoteImages::Off),
        (&[("W2A_FETCH_IMAGES", "false")], RemoteImages::Off),
        (&[("W2A_FETCH_IMAGES", "true")], RemoteImages::Public),
    ] {
        assert_eq!(resolve(Role::All, written).unwrap().gateway.remote_images, remote_images);
    }
    let problems = resolve(Role::All, &[("W2A_FETCH_IMAGES", "PublicAndLoopback")]).unwrap_err().to_string();
    assert!(problems.contains("W2A_FETCH_IMAGES"), "{problems}");
}

#[test]
fn all_mistakes_are_told_at_once_and_name_their_settings() {
    let problems = resolve(
        Role::All,
        &[
            ("PORT", "eighty"),
            ("W2A_HISTORY", "none"),
            ("W2A_GRPC_ADDR", "28888"),
            ("W2A_UPSTREAM", "app.warp.dev"),
            ("W2A_TURN_TIMEOUT", "-1"),
            ("W2A_DRAIN_TIMEOUT", "1e19"),
        ],
    )
    .unwrap_err()
    .to_string();

    for name in
        ["PORT", "W2A_HISTORY", "W2A_GRPC_ADDR", "W2A_UPSTREAM", "W2A_TURN_TIMEOUT", "W2A_DRAIN_TIMEOUT"]
    {
        assert!(problems.contains(name), "{name} is missing in {problems}");
    }
}

#[test]
fn an_address_that_others_can_reach_needs_a_key_and_a_real_upstream() {
    let open = resolve(Role::All, &[("HOST", "0.0.0.0"), ("WARP_API_KEY", "wk-1")]).unwrap_err().to_string();
    assert!(open.contains("API_TOKEN"), "{open}");

    let mut no_credential =
        resolve(Role::All, &[("HOST", "0.0.0.0"), ("API_TOKEN", "a-key-of-clients")]).unwrap();
    let problem = no_credential.settle_upstream(false).unwrap_err().to_string();
    assert!(problem.contains("W2A_UPSTREAM=embedded"), "{problem}");
    no_credential.settle_upstream(true).unwrap();

    for fine in [
        &[("HOST", "0.0.0.0"), ("API_TOKEN", "a-key-of-clients"), ("WARP_API_KEY", "wk-1")][..],
        &[("HOST", "0.0.0.0"), ("API_TOKEN", "a-key-of-clients"), ("W2A_UPSTREAM", "embedded")],
        &[("HOST", "0.0.0.0"), ("W2A_ALLOW_OPEN", "true"), ("W2A_UPSTREAM", "embedded")],
    ] {
        resolve(Role::All, fine).unwrap().settle_upstream(false).unwrap();
    }
}

#[test]
fn keys_that_others_can_try_are_not_short() {
    let usual = [("W2A_UPSTREAM", "embedded")];
    let (edge, services) = (("HOST", "0.0.0.0"), ("W2A_GRPC_ADDR", "0.0.0.0:28888"));
    let (long, short) = ("planted-0123456", "planted-012345");
    for (role, place, setting, written, right) in [
        (Role::All, edge, "API_TOKEN", format!("app={long}7, {long}7"), true),
        (Role::All, edge, "API_TOKEN", format!("{long}7,a-name-that-is-long={short}"), false),
        (Role::Gateway, edge, "API_TOKEN", long.to_owned(), false),
        (Role::All, ("HOST", "127.0.0.1"), "API_TOKEN", "k".to_owned(), true),
        (Role::All, services, "W2A_ADMIN_KEY", format!("ops={long}7"), true),
        (Role::All, services, "W2A_ADMIN_KEY", format!("ops={short}"), false),
        (Role::TokenPool, services, "W2A_ADMIN_KEY", short.to_owned(), false),
        (Role::All, ("W2A_GRPC_ADDR", "127.0.0.1:28888"), "W2A_ADMIN_KEY", "k".to_owned(), true),
        (Role::All, ("W2A_GRPC_ADDR", "unix:/run/a.sock"), "W2A_ADMIN_KEY", "k".to_owned(), true),
        // A process that has no such port.
        (Role::Gateway, services, "W2A_ADMIN_KEY", "k".to_owned(), true),
    ] {
        let written = [&usual[..], &[place, (setting, written.as_str())]].concat();
        let problem = resolve(role, &written).err().map(|problems| problems.to_string());
        assert_eq!(problem.is_none(), right, "{written:?}: {problem:?}");
        assert!(
            problem.iter().all(|words| words.contains(setting) && !words.contains("planted")),
            "{problem:?}"
        );
    }
}

#[test]
fn a_stored_credential_makes_auto_mean_warp_and_nothing_else() {
    let key = ("WARP_FIREBASE_API_KEY", "planted");
    let mut auto = resolve(Role::All, &[("WARP_URL", "https://warp.test"), key]).unwrap();
    auto.settle_upstream(true).unwrap();
    assert!(matches!(&auto.upstream, UpstreamChoice::Remote(url) if url == "https://warp.test"));
    assert_eq!(
        (auto.chat.upstream_url.as_str(), auto.chat.upstream_label.as_str()),
        ("https://warp.test", "warp.test")
    );
    assert_eq!(auto.token_url.0, "https://warp.test/proxy/token?key=planted");

    for (written, stored) in [(&[][..], false), (&[("W2A_UPSTREAM", "embedded")], true)] {
        let mut config = resolve(Role::All, written).unwrap();
        config.settle_upstream(stored).unwrap();
        assert!(matches!(config.upstream, UpstreamChoice::Embedded(_)), "{written:?}");
    }
}

#[test]
fn the_pool_is_kept_where_the_operator_says() {
    let kept = |pairs: &[(&str, &str)]| resolve(Role::All, pairs).map(|config| config.store.to_string());
    let embedded = ("W2A_UPSTREAM", "embedded");
    for (written, expected) in [
        (&[("W2A_DATA_DIR", "/srv/w2a")][..], "/srv/w2a/pool.db"),
        (&[("W2A_DATABASE_URL", "sqlite:/srv/other.db")], "/srv/other.db"),
        (&[("W2A_DATABASE_URL", "memory:")], "memory; it ends with this process"),
        (&[embedded], "memory; it ends with this process"),
        (&[embedded, ("W2A_DATA_DIR", "/srv/w2a")], "/srv/w2a/pool.db"),
    ] {
        assert_eq!(kept(written).unwrap(), expected, "{written:?}");
    }
    let postgres = ("W2A_DATABASE_URL", "postgres://me:planted@host/pool");
    let key = "00".repeat(32);
    assert_eq!(kept(&[postgres, ("W2A_STORE_KEY", &key)]).unwrap(), "a PostgreSQL");
    for (written, name) in [
        (&[postgres][..], "W2A_STORE_KEY"),
        (&[("W2A_STORE_KEY", "planted")], "W2A_STORE_KEY"),
        (&[("W2A_STORE_KEY", &key), ("W2A_STORE_KEY_FILE", "/key")], "W2A_STORE_KEY_FILE"),
        (&[("W2A_DATABASE_URL", "mysql://planted")], "W2A_DATABASE_URL"),
    ] {
        let problems = kept(written).unwrap_err().to_string();
        assert!(problems.contains(name) && !problems.contains("planted"), "{problems}");
    }
}

#[test]
fn a_chat_service_apart_is_told_where_chats_run() {
    let problems = resolve(Role::WarpChat, &[]).unwrap_err().to_string();
    assert!(problems.contains("W2A_UPSTREAM"), "{problems}");

    resolve(Role::WarpChat, &[("W2A_UPSTREAM", "http://127.0.0.1:28890")]).unwrap();
}

#[test]
fn a_gateway_apart_finds_the_services_by_one_address_or_by_each() {
    let one = resolve(Role::Gateway, &[("WARP_BRIDGE_URL", "http://10.0.0.5:28888")]).unwrap();
    assert_eq!(one.places.warp_chat.to_string(), "http://10.0.0.5:28888");

    let each = resolve(Role::Gateway, &[("W2A_WARP_CHAT", "unix:/run/chat.sock")]).unwrap();
    assert_eq!(each.places.warp_chat.to_string(), "unix:/run/chat.sock");
}

#[test]
fn debug_of_a_config_shows_no_secret() {
    let config = resolve(
        Role::All,
        &[
            ("API_TOKEN", "planted-1"),
            ("WARP_API_KEY", "wk-planted-2"),
            ("WARP_PERSONAL_TOKENS", "name=planted-3"),
            ("HTTPS_PROXY", "http://user:planted-4@proxy:1"),
            ("WARP_FIREBASE_API_KEY", "planted-5"),
            ("W2A_ADMIN_KEY", "ops=planted-6,planted-7"),
            ("W2A_DATABASE_URL", "postgres://me:planted-8@host/pool"),
            ("W2A_STORE_KEY", "7070707070707070707070707070707070707070707070707070707070707070"),
        ],
    )
    .unwrap();

    let shown = format!("{config:?}");

    assert!(!shown.contains("planted") && !shown.contains("7070"), "{shown}");
}
