use super::*;

fn variables(pairs: &[(&str, &str)]) -> Settings {
    let map: BTreeMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Settings::from_variables(|name| map.get(name).cloned())
}

#[test]
fn the_stronger_source_wins_and_the_weaker_fills_in() {
    let file = variables(&[("PORT", "1"), ("HOST", "a"), ("W2A_VERBOSE", "true")]);
    let environment = variables(&[("PORT", "2"), ("W2A_LOG", "")]);

    let settings = environment.or(file);

    assert_eq!(settings.port.as_deref(), Some("2"));
    assert_eq!(settings.host.as_deref(), Some("a"));
    assert_eq!((settings.verbose.as_deref(), settings.log), (Some("true"), None));
}

#[test]
fn what_was_meant_is_found_by_a_few_letters_or_by_its_variable() {
    for (written, meant) in [
        ("prot", Some("port")),
        ("drain-timout", Some("drain_timeout")),
        ("W2A_KEEPALIVE_FORM", Some("keepalive_form")),
        ("nothing_of_the_kind", None),
        ("edge", None),
    ] {
        assert_eq!(nearest(written), meant, "{written}");
    }
}

#[test]
fn what_is_reloaded_is_a_setting() {
    for key in RELOADED {
        assert!(TABLE.iter().any(|described| described.key == *key), "{key}");
    }
}

#[test]
fn debug_hides_secrets() {
    let shown = format!("{:?}", variables(&[("WARP_API_KEY", "planted-secret"), ("PORT", "2")]));

    assert!(shown.contains("warp_api_key") && shown.contains("port"), "{shown}");
    assert!(!shown.contains("planted"), "{shown}");
}

#[test]
fn of_a_collectors_address_what_may_hold_a_key_is_not_shown() {
    for (written, shown) in [
        ("http://c:4318/v1/traces", "http://c:4318/v1/traces"),
        ("https://c/v1/traces?api-key=planted", "https://c/v1/traces?(hidden)"),
        ("https://c/v1/traces#planted?", "https://c/v1/traces?(hidden)"),
    ] {
        let settings = variables(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", written)]);
        assert_eq!(settings.shown(), [("otel_exporter_otlp_traces_endpoint", shown.into())]);
        assert!(!format!("{settings:?}").contains("planted"));
    }
}
