//! Those who come, what they show, and a house that knows some of them.

use std::path::Path;

use warp2api_gateway::Scope;
use warp2api_integration_tests::House;

use crate::access::keys::add;

pub(super) const ADMIN_KEY: &str = "key-of-operators-0123";
const SERVICE_TOKEN: &str = "token-of-the-house-0123";
const CHAT_TOKEN: &str = "token-for-chats-0123456";

/// What a caller is known as to the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    No,
    ModelsKey,
    ChatKey,
    AdminKey,
    ServiceToken,
    ChatToken,
}

/// Somebody who comes.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) name: &'static str,
    pub(super) known: Known,
    /// Headers that show the same.
    pub(super) ways: &'static [&'static [(&'static str, &'static str)]],
}

pub(super) const CALLERS: &[Caller] = &[
    Caller { name: "nobody", known: Known::No, ways: &[&[]] },
    Caller {
        name: "somebody who guesses",
        known: Known::No,
        ways: &[
            &[("authorization", "Bearer a-guess-0123456789")],
            &[
                ("x-api-key", "a-guess-0123456789"),
                ("x-admin-key", "a-guess-0123456789"),
                ("x-warp2api-service-token", "a-guess-0123456789"),
            ],
            // The right words in the wrong places.
            &[("cookie", "x-admin-key=key-of-operators-0123"), ("x-service-token", SERVICE_TOKEN)],
            &[("authorization", "Basic key-of-operators-0123")],
        ],
    },
    Caller {
        name: "one whose key was taken back",
        known: Known::No,
        ways: &[&[("authorization", "Bearer revoked-key-012345")], &[("x-api-key", "revoked-key-012345")]],
    },
    Caller {
        name: "one whose key has ended",
        known: Known::No,
        ways: &[&[("x-api-key", "expired-key-012345")]],
    },
    Caller {
        name: "one who may see models",
        known: Known::ModelsKey,
        ways: &[&[("authorization", "Bearer models-key-0123456")], &[("x-api-key", "models-key-0123456")]],
    },
    Caller {
        name: "one with an API key",
        known: Known::ChatKey,
        ways: &[
            &[("authorization", "Bearer chat-key-012345678")],
            &[("x-api-key", "chat-key-012345678")],
            &[("authorization", "Bearer key-of-the-settings")],
        ],
    },
    Caller {
        name: "an operator",
        known: Known::AdminKey,
        ways: &[&[("authorization", "Bearer key-of-operators-0123")], &[("x-admin-key", ADMIN_KEY)]],
    },
    Caller {
        name: "a service of the house",
        known: Known::ServiceToken,
        ways: &[
            &[("authorization", "Bearer token-of-the-house-0123")],
            &[("x-warp2api-service-token", SERVICE_TOKEN)],
        ],
    },
    Caller {
        name: "a program that may chat",
        known: Known::ChatToken,
        ways: &[&[("authorization", "Bearer token-for-chats-0123456")], &[("x-api-key", CHAT_TOKEN)]],
    },
];

/// A house whose services others can reach, with every kind of key and token.
pub(super) async fn house(folder: &Path) -> House {
    let path = folder.join("keys.json");
    add(&path, "chat-key-012345678", "app", |_| {});
    add(&path, "models-key-0123456", "look", |record| record.scopes = vec![Scope::Models]);
    add(&path, "revoked-key-012345", "gone", |record| record.revoked = Some(2));
    add(&path, "expired-key-012345", "late", |record| record.expires = Some(2));
    let builder = House::builder().settings(|settings| {
        settings.keys_file = Some(path.display().to_string());
        settings.api_token = Some("ops=key-of-the-settings".to_owned());
        settings.grpc_addr = Some("0.0.0.0:0".to_owned());
        settings.admin_key = Some(ADMIN_KEY.to_owned());
        settings.service_token = Some(SERVICE_TOKEN.to_owned());
        settings.chat_token = Some(format!("app={CHAT_TOKEN}"));
    });
    builder.start().await
}
