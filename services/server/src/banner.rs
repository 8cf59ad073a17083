//! What a person sees at the start: where it listens, on what chats run, what to try, what to mend. Never a secret.

use std::fmt::Write as _;

use warp2api_rpc::listener::Address;
use warp2api_token_pool::Tier;
use warp2api_token_pool::view::PoolStatus;
use warp2api_upstream_sim::EmbeddedCredential;

use crate::app::{Addresses, App};
use crate::config::{Config, Role, UpstreamChoice};

/// The banner of an app that is about to open its doors.
pub fn text(app: &App, addresses: &Addresses) -> String {
    let config = app.config();
    let mut text = format!("Warp2Api {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _written: std::fmt::Result = writeln!(text, "  {name:<12} {value}");
    };
    if let Some(edge) = &addresses.edge {
        line("base URL", &format!("{}://{}/v1", config.security.edge_scheme(), reachable(edge)));
        let kept = !config.gateway.kept_keys.never_had_any();
        let keys = match (config.gateway.api_keys.is_empty(), kept) {
            (true, false) => "any key is accepted",
            (false, false) => "a key of API_TOKEN",
            (true, true) => "a key of `warp2api keys`",
            (false, true) => "a key of API_TOKEN or of `warp2api keys`",
        };
        line("API key", keys);
    }
    if let Some(grpc) = &addresses.grpc {
        line("gRPC", &format!("{grpc} (reflection, health)"));
        if let Address::Tcp(_) = grpc {
            line(
                "look at",
                &format!("{1}://{0}/ui and {1}://{0}/docs", reachable(grpc), config.security.grpc_scheme()),
            );
        }
    }
    if let Some(metrics) = &addresses.metrics {
        line("metrics", &format!("http://{}/metrics", reachable(metrics)));
    }
    if matches!(config.role, Role::All | Role::WarpChat) {
        line("upstream", &upstream(&config.upstream));
    }
    if let Some(status) = app.pool_status() {
        line("credentials", &credentials(config, status));
        line("kept in", &config.store.to_string());
    }
    if let Some(upstream) = &addresses.upstream {
        let url = reachable(upstream);
        line("upstream", &format!("http://{url} (the embedded one; no model is asked)"));
        line(
            "use it",
            &format!("W2A_UPSTREAM=http://{url} WARP_API_KEY={} warp2api", EmbeddedCredential::API_KEY),
        );
    }
    if let Some(edge) = &addresses.edge {
        let key =
            if config.gateway.is_open() { "" } else { "  -H \"authorization: Bearer $API_TOKEN\" \\\n" };
        let _written: std::fmt::Result = write!(
            text,
            "\nTry it:\n\n  curl -N {}://{}/v1/chat/completions \\\n{key}  -H 'content-type: application/json' \\\n  \
             -d '{{\"model\":\"auto\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'\n\n\
             Next: README.md shows clients, settings and gRPC. Ctrl-C stops.\n",
            config.security.edge_scheme(),
            reachable(edge)
        );
    }
    text
}

fn upstream(choice: &UpstreamChoice) -> String {
    match choice {
        UpstreamChoice::Embedded(_) => {
            "embedded: it answers by rule, no model is asked. Set WARP_API_KEY to chat with Warp".to_owned()
        }
        UpstreamChoice::Remote(url) => url.clone(),
    }
}

fn credentials(config: &Config, status: &PoolStatus) -> String {
    let embedded = matches!(config.upstream, UpstreamChoice::Embedded(_));
    let count = |tier| {
        let total =
            status.tiers.iter().find(|counted| counted.tier == tier).map_or(0, |counted| counted.total);
        // The embedded upstream's own is one of the personal ones.
        total - usize::from(embedded && tier == Tier::Personal && total > 0)
    };
    let tiers = [(Tier::Personal, "personal"), (Tier::Shared, "shared"), (Tier::Anonymous, "anonymous")];
    let known: Vec<_> = tiers
        .into_iter()
        .filter(|(tier, _)| count(*tier) > 0)
        .map(|(tier, name)| format!("{} {name}", count(tier)))
        .collect();
    match (embedded, known.is_empty()) {
        (true, true) => "the embedded upstream's own".to_owned(),
        (false, true) => "none: chats will fail. Set WARP_API_KEY".to_owned(),
        (true, false) if status.unused > 0 => {
            format!("the embedded upstream's own; {} wait for a start on Warp", known.join(", "))
        }
        (_, false) => known.join(", "),
    }
}

/// An address as a client on this machine can use it.
pub(crate) fn reachable(address: &Address) -> String {
    let text = address.to_string();
    match text.strip_prefix("0.0.0.0:").or_else(|| text.strip_prefix("[::]:")) {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text,
    }
}
